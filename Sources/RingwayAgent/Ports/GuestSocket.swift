internal import CRingway
internal import Glibc
internal import RingwayConversation

/// Unix sockets on which the agent waits for programs of the guest's.
enum GuestSocket {
    /// A non-blocking listener at a path that only the agent's user may connect to. What an agent before left there is
    /// replaced, and so is nothing else.
    static func listen(_ path: String) throws(AgentFailure) -> Int32 {
        let descriptor = ringway_unix_open()
        guard descriptor >= 0 else { throw AgentFailure(cannot: "make a socket for \(path)") }
        do throws(AgentFailure) {
            makeDirectory(of: path)
            if isLeftover(path) { _ = ringway_path_unlink(path) }
            let mask = umask(0o177)
            let result = ringway_unix_bind(descriptor, path, path.utf8.count)
            umask(mask)
            guard result == 0, Glibc.listen(descriptor, 1_024) == 0, ringway_set_nonblocking(descriptor) == 0 else {
                throw AgentFailure(cannot: "listen on \(path)")
            }
            return descriptor
        } catch {
            close(descriptor)
            throw error
        }
    }

    private static func makeDirectory(of path: String) {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")), slash != path.startIndex else { return }
        _ = ringway_path_make_directory(String(path[..<slash]), 0o755)
    }

    /// Whether a socket lies there at which nobody listens.
    private static func isLeftover(_ path: String) -> Bool {
        let probe = ringway_unix_open()
        guard probe >= 0 else { return false }
        defer { close(probe) }
        return ringway_unix_connect(probe, path, path.utf8.count) != 0 && errno == ECONNREFUSED
    }
}
