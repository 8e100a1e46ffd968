internal import CRingway
internal import Glibc
internal import RingwaySystem

/// The signals that end the agent, read from a signalfd by a member of the agent's loop.
final class StopSignals: LoopMember {
    private let signals: OwnedDescriptor
    /// Whether one of the signals has arrived.
    private(set) var hasCome = false

    /// Blocks the signals in this thread and in those that it starts. SIGPIPE is blocked but not read: a splice to a
    /// socket with a closed peer raises it, and no flag prevents that.
    init(on loop: EventLoop) throws(SystemError) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        var blocked = set
        sigaddset(&blocked, SIGPIPE)
        var previous = sigset_t()
        guard ringway_block_signals(&blocked, &previous) == 0 else { throw SystemError("cannot block signals") }
        guard let signals = OwnedDescriptor(result: ringway_signal_descriptor(&set)) else {
            throw SystemError("cannot read signals")
        }
        self.signals = signals
        super.init()
        guard loop.register(self, descriptor: self.signals.rawValue, interest: .read) else {
            throw SystemError("cannot watch signals")
        }
    }

    override func ready(_ events: EventLoop.Events) { hasCome = true }
}
