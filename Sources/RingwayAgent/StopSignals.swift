internal import CRingway
internal import Glibc
internal import RingwayConversation

/// The signals that ask the agent to end, read instead of interrupting it.
final class StopSignals {
    /// Readable when one has come.
    let descriptor: Int32

    /// Blocks the signals in this thread and in those that it starts.
    init() throws(AgentFailure) {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        var previous = sigset_t()
        guard ringway_block_signals(&set, &previous) == 0 else { throw AgentFailure(cannot: "block signals") }
        descriptor = ringway_signal_descriptor(&set)
        guard descriptor >= 0 else { throw AgentFailure(cannot: "read signals") }
    }

    deinit { close(descriptor) }

    /// Waits for so long. True means that a signal has come.
    func wait(milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }
}
