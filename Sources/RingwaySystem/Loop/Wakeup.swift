internal import CRingway
internal import Glibc

/// An eventfd(2) by which one thread ends another thread's wait. Several signals before the wait count as one.
public final class Wakeup: Sendable {
    private let event: OwnedDescriptor

    /// The eventfd. It is readable from a signal until `clear`.
    public var descriptor: Int32 { event.rawValue }

    public init() throws(SystemError) {
        guard let event = OwnedDescriptor(result: ringway_event_descriptor()) else {
            throw SystemError("cannot make an event descriptor")
        }
        self.event = event
    }

    /// Ends the current wait, or the next one. Called from any thread.
    public func signal() {
        var one: UInt64 = 1
        _ = write(descriptor, &one, 8)
    }

    /// Clears pending signals.
    public func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    /// Waits for a signal without clearing it.
    ///
    /// - Parameter milliseconds: the timeout; negative for none.
    /// - Returns: false on timeout.
    public func wait(milliseconds: Int32) -> Bool {
        Readiness.wait(for: descriptor, milliseconds: milliseconds)
    }
}
