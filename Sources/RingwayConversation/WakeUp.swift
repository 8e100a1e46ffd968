internal import CRingway
internal import Glibc

/// A descriptor by which one thread ends another's wait. Any number of calls are one.
public final class WakeUp: Sendable {
    /// Readable after a call.
    public let descriptor: Int32

    /// Makes the descriptor.
    public init() throws(AgentFailure) {
        descriptor = ringway_event_descriptor()
        guard descriptor >= 0 else { throw AgentFailure(cannot: "make an event descriptor") }
    }

    deinit { close(descriptor) }

    /// Ends the wait, or the next one.
    public func call() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    /// Takes the calls that have come.
    public func take() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }
}
