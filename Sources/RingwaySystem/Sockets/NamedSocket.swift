internal import CRingway
internal import Glibc

/// Listening unix sockets in the file system.
public enum NamedSocket {
    /// What is at a path.
    enum Occupant: Equatable {
        case none
        /// A socket on which no process listens any more.
        case abandoned
        case listener
        /// No socket: nothing of ours.
        case other
    }

    /// A blocking listener at a path, or at an abstract name when it begins with '@'. A socket that an ended process has
    /// left there is replaced, and nothing else is.
    ///
    /// - Parameter mode: the permissions of the file, which has no more of them at any moment.
    public static func listen(
        _ path: String, mode: UInt32 = 0o600, backlog: Int32
    ) throws(SystemError) -> OwnedDescriptor {
        guard let listener = OwnedDescriptor(result: ringway_unix_open()) else {
            throw SystemError("cannot make a socket for unix:\(path)")
        }
        try makeRoom(at: path)
        // The file takes over the permissions of the socket, less the umask.
        fchmod(listener.rawValue, mode)
        guard ringway_unix_bind(listener.rawValue, path, path.utf8.count) == 0,
            Glibc.listen(listener.rawValue, backlog) == 0
        else { throw SystemError("cannot listen on unix:\(path)") }
        return listener
    }

    private static func makeRoom(at path: String) throws(SystemError) {
        switch occupant(of: path) {
        case .none: break
        case .abandoned: _ = ringway_path_unlink(path)
        case .listener:
            throw SystemError("cannot listen on unix:\(path)", errno: EADDRINUSE, reason: "another process does")
        case .other:
            throw SystemError("cannot listen on unix:\(path)", errno: EEXIST, reason: "it exists and is no socket")
        }
    }

    /// A symbolic link is no socket, wherever it leads.
    static func occupant(of path: String) -> Occupant {
        guard !path.hasPrefix("@") else { return .none }
        let type = ringway_path_type(path)
        guard type != 0 else { return .none }
        guard type == S_IFSOCK else { return .other }
        guard let probe = OwnedDescriptor(result: ringway_unix_open()) else { return .listener }
        return ringway_unix_connect(probe.rawValue, path, path.utf8.count) != 0 && errno == ECONNREFUSED
            ? .abandoned : .listener
    }
}
