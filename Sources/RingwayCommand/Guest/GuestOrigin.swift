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

    /// The same with the path of a namespace that is given by its name, as "ip netns" does.
    func found() throws(CommandFailure) -> GuestOrigin {
        guard case .path(let name) = self, !name.contains("/") else { return self }
        let paths = Self.directories.map { "\($0)/\(name)" }
        guard name != ".", name != "..", let path = paths.first(where: { access($0, F_OK) == 0 }) else {
            throw CommandFailure(
                "there is no network namespace \"\(name)\": neither \(paths.joined(separator: " nor ")) exists; \"ip netns\" "
                    + "shows those that do, and a path has a slash")
        }
        return .path(path)
    }

    /// Where namespaces have names.
    private static var directories: [String] { ["/run/netns", "/var/run/netns"] }

    /// The same in words.
    var description: String {
        switch self {
        case .command(let arguments): arguments.first ?? ""
        case .path(let path): path
        case .process(let process): "process \(process)"
        case .trial: "a trial"
        }
    }

    /// Whether COMMAND runs in it.
    var isCommand: Bool {
        if case .command = self { true } else { false }
    }
}
