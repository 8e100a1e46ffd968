/// What is left of the memory that a process may have, where that is bounded.
///
/// The blocks that guests cause come from calls that can fail. Everything small is allocated by Swift itself, which ends
/// the process where there is no memory. So that this does not happen, a guest or a flow is refused while no more than
/// `bytes` are left: what all small objects together take meanwhile is much less.
public struct MemoryReserve: Sendable {
    /// Kept for small objects.
    public static var byteCount: Int { 16 << 20 }

    /// Address space that the process may have (RLIMIT_AS), and has; no limit where `nil`.
    public var addressLimit: Int?
    public var addressesUsed = 0
    /// Memory of its own that it may have (RLIMIT_DATA), and has.
    public var dataLimit: Int?
    public var dataUsed = 0
    /// What the kernel promises all processes together, where it promises no more than it has (vm.overcommit_memory=2).
    public var commitLimit: Int?
    public var committed = 0

    public init() {}

    /// Whether there is anything to run out of.
    public var isBounded: Bool { addressLimit != nil || dataLimit != nil || commitLimit != nil }

    /// Bytes left, or `nil` without a bound.
    public var left: Int? {
        let parts = [(addressLimit, addressesUsed), (dataLimit, dataUsed), (commitLimit, committed)]
        return parts.compactMap { limit, used in limit.map { max(0, $0 - used) } }.min()
    }

    /// Whether so much can be had and the reserve is left.
    public func admits(_ wanted: Int = 0) -> Bool {
        guard let left else { return true }
        return left - Self.byteCount >= wanted
    }
}
