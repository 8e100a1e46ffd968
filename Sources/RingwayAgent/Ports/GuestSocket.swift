internal import CRingway
internal import Glibc
internal import RingwayConversation

/// Unix sockets on which the agent waits for programs of the guest's.
enum GuestSocket {
    /// A non-blocking listener at a path that only the agent's user may connect to. What an agent before left there is
    /// replaced, and so is nothing else.
    static func listen(_ path: String) throws(AgentFailure) -> Int32 {
        makeDirectory(of: path)
        let descriptor = try NamedSocket.listen(path, backlog: 1_024)
        guard ringway_set_nonblocking(descriptor) == 0 else {
            let failure = AgentFailure(cannot: "listen on unix:\(path)")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    private static func makeDirectory(of path: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return }
        _ = ringway_path_make_directory(String(path[..<slash]), 0o755)
    }
}
