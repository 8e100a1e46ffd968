/// A TCP sequence number: a position on a circle of 2³² bytes (RFC 9293 §3.4).
///
/// There is no total order, so the type has no `<`. `a.precedes(b)` is true if `b` is ahead of `a` by less than half
/// the circle.
@frozen
public struct SequenceNumber: Hashable, Sendable, BitwiseCopyable {
    /// The number in host order.
    public var rawValue: UInt32

    /// A sequence number from its integer.
    @inlinable
    public init(_ rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// Whether this number is before `other`; false if they are equal.
    @inlinable
    public func precedes(_ other: Self) -> Bool {
        other.distance(from: self) > 0
    }

    /// The number of bytes from `other` to this number, modulo 2³²; negative if `other` is later.
    @inlinable
    public func distance(from other: Self) -> Int32 {
        Int32(bitPattern: rawValue &- other.rawValue)
    }

    /// The sequence number `bytes` after this one, or before it if `bytes` is negative.
    @inlinable
    public func advanced(by bytes: Int) -> Self {
        Self(rawValue &+ UInt32(truncatingIfNeeded: bytes))
    }

    /// Whether the number is in the window of `size` bytes that starts at `start`.
    @inlinable
    public func isInside(windowStartingAt start: Self, size: UInt32) -> Bool {
        rawValue &- start.rawValue < size
    }
}
