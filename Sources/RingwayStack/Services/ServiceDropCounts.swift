/// One counter per `ServiceDrop`, in an inline array: counting neither allocates nor hashes.
public struct ServiceDropCounts: Sendable {
    @usableFromInline var counts: InlineArray<32, UInt64>

    /// All zero.
    public init() {
        precondition(ServiceDrop.allCases.count <= 32, "more reasons than counters")
        counts = .init(repeating: 0)
    }

    /// The count of `reason`.
    @inlinable public subscript(reason: ServiceDrop) -> UInt64 { counts[Int(reason.rawValue)] }

    /// The sum over all reasons.
    public var total: UInt64 {
        var sum: UInt64 = 0
        for index in counts.indices { sum &+= counts[index] }
        return sum
    }

    mutating func count(_ reason: ServiceDrop) {
        counts[Int(reason.rawValue)] &+= 1
    }

    /// Adds the counts of another service, for a total.
    public mutating func add(_ other: ServiceDropCounts) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
    }
}
