internal import Glibc

/// Which namespace becomes a guest.
enum GuestOrigin: Equatable, Sendable {
    /// A new one, for this command and its arguments.
    case command([String])
    /// The one that a file names.
    case path(String)
    /// The one that a process is in.
    case process(pid_t)
    /// A new one, only to see whether it can be made.
    case trial

    /// Whether COMMAND runs in it.
    var isCommand: Bool {
        if case .command = self { true } else { false }
    }
}
