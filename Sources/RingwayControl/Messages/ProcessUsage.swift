internal import CRingway
internal import Glibc

/// The process's resource usage, under the metric names of Prometheus' client libraries.
struct ProcessUsage {
    let processorSeconds: Double
    let residentBytes: Int
    let virtualBytes: Int
    let openDescriptors: Int
    let mostDescriptors: UInt64

    static var now: ProcessUsage {
        var spent = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent)
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        _ = ringway_file_limit(&soft, &hard)
        let pages = fields("/proc/self/statm")
        let page = sysconf(Int32(_SC_PAGESIZE))
        return ProcessUsage(
            processorSeconds: Double(spent.tv_sec) + Double(spent.tv_nsec) / 1e9,
            residentBytes: (pages.count > 1 ? pages[1] : 0) * page, virtualBytes: (pages.first ?? 0) * page,
            // The descriptor of the directory itself is not counted.
            openDescriptors: max(0, entries(in: "/proc/self/fd") - 1), mostDescriptors: soft)
    }

    /// Seconds since the epoch at which the process was started.
    static let startTime: Double = {
        // The start is field 22 (proc(5)). The program's name, field 2, may contain blanks and brackets, so fields are
        // counted from its end.
        let text = contents("/proc/self/stat")
        let rest = text.lastIndex(of: ")").map { text[text.index(after: $0)...] } ?? ""
        let ticks = rest.split(separator: " ").dropFirst(19).first.flatMap { Double($0) } ?? 0
        func clock(_ identifier: clockid_t) -> Double {
            var time = timespec()
            clock_gettime(identifier, &time)
            return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
        }
        let age = clock(CLOCK_BOOTTIME) - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        return ((clock(CLOCK_REALTIME) - age) * 100).rounded() / 100
    }()

    func add(to page: inout MetricsPage) {
        page.family(
            "process_cpu_seconds_total", .counter, "Processor time of the process, in user space and in the kernel.",
            [MetricsPage.Sample(processorSeconds)])
        page.family("process_resident_memory_bytes", .gauge, "Memory of the process that is in RAM.", residentBytes)
        page.family("process_virtual_memory_bytes", .gauge, "Address space of the process.", virtualBytes)
        page.family("process_open_fds", .gauge, "Descriptors that the process has open.", openDescriptors)
        page.family("process_max_fds", .gauge, "Descriptors that the process may have open.", mostDescriptors)
        page.family(
            "process_start_time_seconds", .gauge, "When the process was started, in seconds since the epoch.",
            [MetricsPage.Sample(Self.startTime)])
    }

    private static func fields(_ path: String) -> [Int] { contents(path).split(separator: " ").compactMap { Int($0) } }

    /// The text of a short file of `/proc`.
    private static func contents(_ path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let count = read(file, &bytes, bytes.count)
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    private static func entries(in path: String) -> Int {
        guard let directory = opendir(path) else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) { if entry.pointee.d_name.0 != 0x2E { count += 1 } }
        return count
    }
}
