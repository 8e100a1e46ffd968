internal import CRingway
internal import Glibc
internal import RingwaySystem

/// Unix sockets on which the agent listens for programs in the guest.
enum GuestSocket {
    /// Opens a non-blocking listener at a path, accessible to the agent's user only. A socket file on which no
    /// process listens is replaced; any other file makes this throw.
    static func listen(_ path: String) throws(SystemError) -> OwnedDescriptor {
        makeDirectory(of: path)
        let listener = try NamedSocket.listen(path, backlog: 1_024)
        guard ringway_set_nonblocking(listener.rawValue) == 0 else {
            throw SystemError("cannot listen on unix:\(path)")
        }
        return listener
    }

    private static func makeDirectory(of path: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return }
        _ = ringway_path_make_directory(String(path[..<slash]), 0o755)
    }
}
