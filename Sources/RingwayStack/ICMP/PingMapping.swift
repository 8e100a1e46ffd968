internal import RingwayWire

/// What one of the guest's echo identifiers is on the host: one ping socket, whomever the guest pings with it.
@frozen
public struct PingMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = AgeLinks()
    /// Monotonic nanoseconds of the last echo in either direction.
    public var usedAt: UInt64
}
