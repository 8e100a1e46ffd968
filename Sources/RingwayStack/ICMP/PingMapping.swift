internal import RingwayWire

/// What one of the guest's echo identifiers is on the host: one ping socket, whomever the guest pings with it.
@frozen
public struct PingMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = AgeLinks()
    /// Monotonic nanoseconds of the last echo in either direction.
    public var usedAt: UInt64

    /// Nanoseconds of silence after which the mapping ends (RFC 5508 §3.2 asks for sixty seconds at least).
    static var patience: UInt64 { 60_000_000_000 }
}
