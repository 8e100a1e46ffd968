public import RingwayModel
public import RingwayStorage

/// One echo identifier of the guest: one ping socket on the host, for all hosts that the guest pings with it.
@frozen
public struct PingMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = SlotLinks()
    /// Monotonic nanoseconds of the last request; replies do not extend the lifetime.
    public var usedAt: UInt64
    /// The host pinged most recently; unspecified before the first request.
    public var target = IPAddress(high: 0, low: 0)
}
