/// What one run came to.
public struct SimulationReport: Sendable {
    /// What went wrong, or `nil`.
    public var failure: String?
    /// Nanoseconds of the stack's clock.
    public var duration: UInt64 = 0
    /// Frames the guest sent.
    public var framesFromGuest = 0
    /// Frames the stack sent.
    public var framesToGuest = 0
    /// Frames the stack sent again.
    public var retransmissions = 0
    /// Nanoseconds after which a guest first had a whole stream of the host's; zero for never.
    public var deliveredAt: UInt64 = 0
    /// How often the stack's retransmission timer ran out.
    public var timeouts = 0
}
