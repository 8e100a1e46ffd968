internal import CRingway
internal import Glibc
internal import RingwayConversation

/// Sockets at which agents are waited for.
enum EndpointSocket {
    /// A unix socket that only its owner may connect to. A socket at which nobody listens any more is replaced.
    static func listen(path: String) throws(AgentFailure) -> Int32 {
        let descriptor = ringway_unix_open()
        guard descriptor >= 0 else { throw AgentFailure(cannot: "make a socket for unix:\(path)") }
        if isLeftover(path) { _ = ringway_path_unlink(path) }
        let mask = umask(0o177)
        let isBound = ringway_unix_bind(descriptor, path, path.utf8.count) == 0
        umask(mask)
        return try listen(descriptor, isBound: isBound, "unix:\(path)")
    }

    /// A port of AF_VSOCK.
    static func listen(port: UInt32) throws(AgentFailure) -> Int32 {
        let descriptor = ringway_vsock_open()
        guard descriptor >= 0 else { throw AgentFailure(cannot: "make a socket for vsock:\(port)") }
        let isBound = ringway_vsock_listen(descriptor, port, AgentHost.backlog) == 0
        return try listen(descriptor, isBound: isBound, "vsock:\(port)")
    }

    private static func listen(_ descriptor: Int32, isBound: Bool, _ name: String) throws(AgentFailure) -> Int32 {
        guard isBound, Glibc.listen(descriptor, AgentHost.backlog) == 0 else {
            let failure = AgentFailure(cannot: "listen on \(name)")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    private static func isLeftover(_ path: String) -> Bool {
        let probe = ringway_unix_open()
        guard probe >= 0 else { return false }
        defer { close(probe) }
        return ringway_unix_connect(probe, path, path.utf8.count) != 0 && errno == ECONNREFUSED
    }
}
