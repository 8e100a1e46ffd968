internal import CRingway
internal import Glibc

/// The signals to this process, which are blocked and read from a signalfd.
///
/// Created before any thread is started, so that every thread inherits the blocked signals.
struct SignalInbox: ~Copyable {
    /// One signal.
    struct Signal: Equatable {
        let number: Int32
        /// Whether the kernel sent the signal (SI_KERNEL), as the terminal does to its whole foreground process
        /// group.
        let isFromKernel: Bool
    }

    /// Readable when a signal is pending.
    let descriptor: Int32
    /// The caller's signal settings.
    let origin: SignalOrigin

    init() throws(CommandFailure) {
        var set = sigset_t()
        var previous = sigset_t()
        ringway_message_signals(&set)
        guard ringway_block_signals(&set, &previous) == 0 else { throw CommandFailure("cannot block signals") }
        // If the caller ignores SIGCHLD, the kernel would discard our children's status.
        let ignoredChildren = ringway_ignore_signal(SIGCHLD, false)
        let inbox = ringway_signal_descriptor(&set)
        guard inbox >= 0 else { throw CommandFailure("cannot read signals") }
        descriptor = inbox
        origin = SignalOrigin(mask: previous, ignoredChildren: ignoredChildren)
    }

    deinit { close(descriptor) }

    /// The next pending signal, if any.
    borrowing func next() -> Signal? {
        var number: Int32 = 0
        var isFromKernel = false
        guard ringway_take_signal(descriptor, &number, &isFromKernel) else { return nil }
        return Signal(number: number, isFromKernel: isFromKernel)
    }
}

/// The caller's signal settings, restored for COMMAND.
struct SignalOrigin {
    fileprivate let mask: sigset_t
    fileprivate let ignoredChildren: Bool

    /// Restores the settings. Signals that arrived in the meantime are delivered now.
    func restore() {
        if ignoredChildren { _ = ringway_ignore_signal(SIGCHLD, true) }
        var mask = mask
        _ = ringway_restore_signals(&mask)
    }
}
