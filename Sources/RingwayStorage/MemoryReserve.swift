/// The memory left to the process under its resource limits.
///
/// Large blocks for guests are allocated by calls that can fail. Small objects are allocated by Swift, which ends the
/// process if there is no memory for one. To prevent that, new guests and flows are refused while fewer than
/// `byteCount` bytes are left, which is far more than all small objects need.
public struct MemoryReserve: Sendable {
    /// Bytes reserved for small objects.
    public static var byteCount: Int { 16 << 20 }

    /// The address space limit (RLIMIT_AS) and its use, in bytes. Each limit here is `nil` if it is not set.
    public var addressLimit: Int?
    public var addressesUsed = 0
    /// The data segment limit (RLIMIT_DATA) and its use, in bytes.
    public var dataLimit: Int?
    public var dataUsed = 0
    /// The kernel's commit limit for all processes and its use, in bytes. It applies with vm.overcommit_memory=2 only.
    public var commitLimit: Int?
    public var committed = 0

    public init() {}

    /// Whether any limit is set.
    public var isBounded: Bool { addressLimit != nil || dataLimit != nil || commitLimit != nil }

    /// Bytes left before the process reaches one of the limits, or `nil` without a limit.
    public var left: Int? {
        let parts = [(addressLimit, addressesUsed), (dataLimit, dataUsed), (commitLimit, committed)]
        return parts.compactMap { limit, used in limit.map { max(0, $0 - used) } }.min()
    }

    /// Whether `wanted` bytes can be allocated without touching the reserve.
    public func admits(_ wanted: Int = 0) -> Bool {
        guard let left else { return true }
        return left - Self.byteCount >= wanted
    }
}
