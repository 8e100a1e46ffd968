internal import CRingway
internal import Glibc

/// The signals that others send to the bridge, read one by one instead of interrupting it.
///
/// It is made before any thread, so that every thread has the signals blocked and none is delivered elsewhere.
struct SignalInbox: ~Copyable {
    /// One signal.
    struct Signal: Equatable {
        let number: Int32
        /// A terminal's signal, which the whole foreground process group has had.
        let isFromKernel: Bool
    }

    /// Readable when a signal has come.
    let descriptor: Int32
    /// How things were before.
    let origin: SignalOrigin

    init() throws(CommandFailure) {
        var set = sigset_t()
        var previous = sigset_t()
        ringway_message_signals(&set)
        guard ringway_block_signals(&set, &previous) == 0 else { throw CommandFailure("cannot block signals") }
        // A caller that ignores the end of its children would have the kernel forget ours.
        let ignoredChildren = ringway_ignore_signal(SIGCHLD, false)
        let inbox = ringway_signal_descriptor(&set)
        guard inbox >= 0 else { throw CommandFailure("cannot read signals") }
        descriptor = inbox
        origin = SignalOrigin(mask: previous, ignoredChildren: ignoredChildren)
    }

    deinit { close(descriptor) }

    /// Takes the next signal, if there is one.
    borrowing func next() -> Signal? {
        var number: Int32 = 0
        var isFromKernel = false
        guard ringway_take_signal(descriptor, &number, &isFromKernel) else { return nil }
        return Signal(number: number, isFromKernel: isFromKernel)
    }
}

/// A caller's signal settings, to be given back to COMMAND.
struct SignalOrigin {
    fileprivate let mask: sigset_t
    fileprivate let ignoredChildren: Bool

    /// Puts everything as it was. Signals that came meanwhile are delivered now.
    func restore() {
        if ignoredChildren { _ = ringway_ignore_signal(SIGCHLD, true) }
        var mask = mask
        _ = ringway_restore_signals(&mask)
    }
}
