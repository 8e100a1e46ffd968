internal import Glibc

/// Where control sockets are.
public enum ControlPath {
    /// The name of the network that has none.
    public static let standardName = "default"

    /// The directory for the sockets of the caller's networks; `nil` for an ordinary user without XDG_RUNTIME_DIR.
    public static var directory: String? {
        if let runtime = getenv("XDG_RUNTIME_DIR").map({ String(cString: $0) }), runtime.hasPrefix("/") {
            return runtime + "/ringway"
        }
        return geteuid() == 0 ? "/run/ringway" : nil
    }

    /// The socket of a network.
    public static func path(of name: String) -> String? { directory.map { "\($0)/\(name).sock" } }

    /// Makes the directory, for nobody but the caller. What is there is left as it is.
    ///
    /// - Returns: zero, or the `errno` of a failure.
    public static func makeDirectory() -> Int32 {
        guard let directory else { return ENOENT }
        if mkdir(directory, 0o700) == 0 { return 0 }
        return errno == EEXIST ? 0 : errno
    }
}
