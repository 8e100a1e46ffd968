internal import Glibc

/// How the bridge, which is the process of `ringway run`, reacts to a signal or to a state change of COMMAND.
///
/// COMMAND is in the bridge's process group unless it leaves the group, so signals from the terminal reach it
/// directly. All other signals are sent to the bridge alone, which passes them on. To the shell, job control must
/// look as if COMMAND were its own child: when the terminal stops the group, the bridge stops, too, but only after
/// COMMAND has, because COMMAND may ignore the signal.
struct SignalPolicy: Equatable {
    enum Action: Equatable {
        case none
        case forward(Int32)
        /// Stop the bridge; when it continues, COMMAND is continued.
        case stopBridge
    }

    private var terminalStopped = false
    private var commandStopped = false

    /// The reaction to a signal that the bridge has received. `reachesCommand` says whether the terminal's signals
    /// reach COMMAND, too.
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

    /// The reaction to a stop of COMMAND by this signal.
    mutating func commandDidStop(by signal: Int32) -> Action {
        // The bridge does not stop if COMMAND was stopped by SIGSTOP. That signal comes, for example, from a
        // debugger, which would not continue the bridge.
        commandStopped = signal != SIGSTOP
        return decision
    }

    /// Notes that COMMAND was continued.
    mutating func commandDidContinue() {
        commandStopped = false
        terminalStopped = false
    }

    private var decision: Action { terminalStopped && commandStopped ? .stopBridge : .none }
}
