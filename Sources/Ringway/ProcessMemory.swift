internal import CRingway
internal import Glibc
internal import RingwayStorage

extension MemoryReserve {
    /// The process's current memory use and limits, read from the kernel with little allocation, as memory may be
    /// short.
    static func ofProcess() -> MemoryReserve {
        var reserve = MemoryReserve()
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        reserve.addressLimit = limit(ringway_address_limit())
        reserve.dataLimit = limit(ringway_data_limit())
        if reserve.addressLimit != nil || reserve.dataLimit != nil {
            reserve.addressesUsed = ringway_field("/proc/self/statm", nil, 0) * page
            reserve.dataUsed = ringway_field("/proc/self/statm", nil, 5) * page
        }
        if ringway_field("/proc/sys/vm/overcommit_memory", nil, 0) == 2 {
            reserve.commitLimit = ringway_field("/proc/meminfo", "CommitLimit:", 0) << 10
            reserve.committed = ringway_field("/proc/meminfo", "Committed_AS:", 0) << 10
        }
        return reserve
    }

    private static func limit(_ value: Int) -> Int? { value < 0 ? nil : value }
}
