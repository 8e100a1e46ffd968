internal import CRingway
internal import Glibc

/// The network namespace that becomes the guest.
enum GuestOrigin: Equatable, Sendable {
    /// A new namespace, for this command and its arguments.
    case command([String])
    /// The namespace to which a file refers.
    case path(String)
    /// The namespace of a process.
    case process(pid_t)
    /// A new namespace, only to check whether it can be created.
    case trial

    /// Resolves a namespace's name to its path, as "ip netns" does.
    func found() throws(CommandFailure) -> GuestOrigin {
        guard case .path(let name) = self, !name.contains("/") else { return self }
        let paths = Self.directories.map { "\($0)/\(name)" }
        guard name != ".", name != "..", let path = paths.first(where: { ringway_path_exists($0) }) else {
            throw CommandFailure(
                "there is no network namespace \"\(name)\": neither \(paths.joined(separator: " nor ")) exists; \"ip netns\" "
                    + "shows those that do, and a path has a slash")
        }
        return .path(path)
    }

    /// The directories in which "ip netns" keeps namespaces by name.
    private static var directories: [String] { ["/run/netns", "/var/run/netns"] }

    /// A description for users.
    var description: String {
        switch self {
        case .command(let arguments): arguments.first ?? ""
        case .path(let path): path
        case .process(let process): "process \(process)"
        case .trial: "a trial"
        }
    }

    /// Whether COMMAND runs in the namespace.
    var isCommand: Bool {
        if case .command = self { true } else { false }
    }
}
