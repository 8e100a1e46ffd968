public import RingwayModel
public import RingwayStorage

/// What one of the guest's echo identifiers is on the host: one ping socket, whichever hosts the guest pings with it.
@frozen
public struct PingMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = SlotLinks()
    /// Monotonic nanoseconds of the last request: replies prolong no ping's life.
    public var usedAt: UInt64
    /// Where the guest pinged last; unspecified before the first.
    public var target = IPAddress(high: 0, low: 0)
}
