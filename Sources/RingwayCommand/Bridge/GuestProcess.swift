internal import CRingway
internal import Glibc

/// The child process that sets up the guest and, under `run`, becomes COMMAND.
struct GuestProcess {
    /// A change of the process's state.
    enum Change: Equatable {
        case exited(Int32)
        case signalled(Int32)
        case stopped(by: Int32)
        case continued
    }

    let identifier: pid_t

    /// The next pending state change, if any.
    func nextChange() -> Change? { change(waiting: false) }

    /// Waits until the process has ended, and returns how it ended; `nil` if it cannot be waited for.
    func waitForEnd() -> Change? {
        while true {
            switch change(waiting: true) {
            case .stopped, .continued: continue
            case let end: return end
            }
        }
    }

    /// Sends a signal to the process.
    func send(_ signal: Int32) {
        // An ended process is a zombie until it is waited for, so its number cannot have been reused.
        _ = kill(identifier, signal)
    }

    /// Whether the terminal's signals to the bridge's process group reach the process, too.
    var isInBridgeGroup: Bool { getpgid(identifier) == getpgrp() }

    private func change(waiting: Bool) -> Change? {
        var value: Int32 = 0
        while true {
            switch ringway_take_change(identifier, waiting, &value) {
            case ringway_change_exited: return .exited(value)
            case ringway_change_signalled: return .signalled(value)
            case ringway_change_stopped: return .stopped(by: value)
            case ringway_change_continued: return .continued
            case ringway_change_failed where errno == EINTR: continue
            default: return nil
            }
        }
    }
}

extension GuestProcess.Change {
    /// The exit status as in a shell, once the process has ended.
    var exitStatus: Int32? {
        switch self {
        case .exited(let status): status
        case .signalled(let number): ExitStatus.signalled(number)
        case .stopped, .continued: nil
        }
    }
}
