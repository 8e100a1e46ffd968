internal import Glibc

/// The location of networks' state.
enum StatePath {
    /// The directory of state files: the first that applies of `$XDG_STATE_HOME/ringway`, systemd's
    /// `$STATE_DIRECTORY`, `/var/lib/ringway` for root, and `~/.local/state/ringway`. `nil` if none applies.
    static var directory: String? {
        if let state = variable("XDG_STATE_HOME") { return state + "/ringway" }
        // The variable may have several directories, separated by colons (systemd.exec(5)). The first is used.
        if let state = variable("STATE_DIRECTORY")?.split(separator: ":").first { return String(state) }
        if geteuid() == 0 { return "/var/lib/ringway" }
        return variable("HOME").map { $0 + "/.local/state/ringway" }
    }

    private static func variable(_ name: String) -> String? {
        getenv(name).map { SystemText.text($0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
    }

    /// The directory of a file.
    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
