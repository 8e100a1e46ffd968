/// The result of one run.
public struct SimulationReport: Sendable {
    /// The failure, or `nil`.
    public var failure: String?
    /// The duration of the run, in nanoseconds of the stack's clock.
    public var duration: UInt64 = 0
    /// Frames sent by the guest.
    public var framesFromGuest = 0
    /// Frames sent by the stack.
    public var framesToGuest = 0
    /// Frames retransmitted by the stack.
    public var retransmissions = 0
    /// When a connection of the guest first had everything up to the host's FIN, in nanoseconds from the start; zero
    /// for never.
    public var deliveredAt: UInt64 = 0
    /// The number of the stack's retransmission timeouts.
    public var timeouts = 0
}
