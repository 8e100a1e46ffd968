public import RingwayModel
public import RingwayStorage

/// One echo identifier of the guest, for all hosts that the guest pings with it. It has one ping socket on the host,
/// or shares a raw socket.
@frozen
public struct PingMapping: BitwiseCopyable {
    public var key: FlowKey
    public var links = SlotLinks()
    /// Monotonic nanoseconds of the last request; replies do not extend the lifetime.
    public var usedAt: UInt64
    /// The host pinged most recently.
    public var target = IPAddress(high: 0, low: 0)
}
