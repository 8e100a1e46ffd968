internal import CRingway
internal import Glibc

/// Listening unix sockets, at a path or an abstract name.
public enum NamedSocket {
    /// The kind of file at a path.
    enum Occupant: Equatable {
        case none
        /// A socket without a listening process.
        case abandoned
        case listener
        /// Not a socket.
        case other
    }

    /// Opens a blocking listener at `path`, where a leading '@' means an abstract name. A socket file on which no
    /// process listens is replaced; any other file makes this throw.
    ///
    /// - Parameter mode: the permissions of the file from its creation on, less the umask.
    public static func listen(
        _ path: String, mode: UInt32 = 0o600, backlog: Int32
    ) throws(SystemError) -> OwnedDescriptor {
        guard let listener = OwnedDescriptor(result: ringway_unix_open()) else {
            throw SystemError("cannot make a socket for unix:\(path)")
        }
        try makeRoom(at: path)
        // bind(2) creates the file with the socket's permissions, less the umask.
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

    /// The kind of file at a path. A symbolic link does not count as a socket, whatever its target.
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
