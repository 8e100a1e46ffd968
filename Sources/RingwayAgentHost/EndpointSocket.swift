internal import CRingway
internal import Glibc
internal import RingwayConversation

/// Sockets at which agents are waited for.
enum EndpointSocket {
    /// A unix socket that only its owner may connect to. A socket at which nobody listens any more is replaced.
    static func listen(path: String) throws(AgentFailure) -> Int32 {
        try NamedSocket.listen(path, backlog: AgentHost.backlog)
    }

    /// A port of AF_VSOCK.
    static func listen(port: UInt32) throws(AgentFailure) -> Int32 {
        let descriptor = ringway_vsock_open()
        guard descriptor >= 0 else { throw AgentFailure(cannot: "make a socket for vsock:\(port)") }
        guard ringway_vsock_listen(descriptor, port, AgentHost.backlog) == 0 else {
            let failure = AgentFailure(cannot: "listen on vsock:\(port)")
            close(descriptor)
            throw failure
        }
        return descriptor
    }
}
