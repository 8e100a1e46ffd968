internal import Glibc

/// The bridge's response to a signal or to a change of COMMAND, as a pure rule.
///
/// COMMAND is in the caller's process group, so a terminal's signals reach it without help; all others are sent to the
/// bridge alone and are passed on. Job control must look to the shell as if COMMAND were its own child: when the
/// terminal stops the group, the bridge stops too, but only once COMMAND has, because COMMAND may refuse.
struct SignalPolicy: Equatable {
    enum Action: Equatable {
        case none
        case forward(Int32)
        /// Stop the bridge; when it runs again, COMMAND is continued.
        case stopBridge
    }

    private var terminalStopped = false
    private var commandStopped = false

    /// A signal came to the bridge.
    mutating func receive(_ signal: SignalInbox.Signal, reachesCommand: Bool) -> Action {
        switch signal.number {
        case SIGCHLD:
            return .none
        case SIGTSTP, SIGTTIN, SIGTTOU:
            guard signal.isFromKernel, reachesCommand else { return .forward(signal.number) }
            terminalStopped = true
            return decision
        case SIGCONT:
            terminalStopped = false
            return .forward(SIGCONT)
        default:
            return signal.isFromKernel && reachesCommand ? .none : .forward(signal.number)
        }
    }

    /// COMMAND stopped, by this signal.
    mutating func commandDidStop(by signal: Int32) -> Action {
        // A debugger's stop is not the terminal's, and the debugger will not continue the bridge.
        commandStopped = signal != SIGSTOP
        return decision
    }

    /// COMMAND runs again.
    mutating func commandDidContinue() {
        commandStopped = false
        terminalStopped = false
    }

    private var decision: Action { terminalStopped && commandStopped ? .stopBridge : .none }
}
