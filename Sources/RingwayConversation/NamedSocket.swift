internal import CRingway
internal import Glibc

/// Unix sockets that agents and their hosts wait at.
public enum NamedSocket {
    /// What is at a path.
    enum Occupant: Equatable {
        case none
        /// A socket at which no process listens any more.
        case abandoned
        case listener
        /// No socket: nothing of ours.
        case other
    }

    /// A blocking listener at a path, or at an abstract name when it begins with '@'. A socket that an ended process has
    /// left there is replaced, and nothing else is.
    ///
    /// - Parameter mode: the permissions of the file, which has no more of them at any moment.
    public static func listen(_ path: String, mode: UInt32 = 0o600, backlog: Int32) throws(AgentFailure) -> Int32 {
        let descriptor = ringway_unix_open()
        guard descriptor >= 0 else { throw AgentFailure(cannot: "make a socket for unix:\(path)") }
        do throws(AgentFailure) {
            try makeRoom(at: path)
            // The file takes over the permissions of the socket, less the umask.
            fchmod(descriptor, mode)
            guard ringway_unix_bind(descriptor, path, path.utf8.count) == 0, Glibc.listen(descriptor, backlog) == 0
            else { throw AgentFailure(cannot: "listen on unix:\(path)") }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func makeRoom(at path: String) throws(AgentFailure) {
        switch occupant(of: path) {
        case .none: break
        case .abandoned: _ = ringway_path_unlink(path)
        case .listener: throw AgentFailure("cannot listen on unix:\(path): another process does")
        case .other: throw AgentFailure("cannot listen on unix:\(path): it exists and is no socket")
        }
    }

    /// A symbolic link is no socket, wherever it leads.
    static func occupant(of path: String) -> Occupant {
        guard !path.hasPrefix("@") else { return .none }
        let type = ringway_path_type(path)
        guard type != 0 else { return .none }
        guard type == S_IFSOCK else { return .other }
        let probe = ringway_unix_open()
        guard probe >= 0 else { return .listener }
        defer { close(probe) }
        return ringway_unix_connect(probe, path, path.utf8.count) != 0 && errno == ECONNREFUSED ? .abandoned : .listener
    }
}
