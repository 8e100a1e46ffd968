internal import CRingway
internal import Glibc
internal import RingwayConversation
internal import Synchronization

/// How conversations with the host come about: the agent connects, or the host does.
///
/// A host that connects, as one behind Firecracker's or cloud-hypervisor's vsock must, always has one connection that the
/// agent has not spoken on yet; the agent decides what it is for.
enum HostLine: Sendable {
    case connecting(HostEndpoint)
    /// The listening socket.
    case listening(Int32, HostEndpoint)

    private static var backlog: Int32 { 128 }

    /// Listens for a host that connects.
    static func listen(_ endpoint: HostEndpoint) throws(AgentFailure) -> HostLine {
        switch endpoint {
        case .vsock(_, let port):
            let descriptor = ringway_vsock_open()
            guard descriptor >= 0, ringway_vsock_listen(descriptor, port, backlog) == 0 else {
                let failure = AgentFailure(cannot: "listen on \(endpoint)")
                if descriptor >= 0 { close(descriptor) }
                throw failure
            }
            return .listening(descriptor, endpoint)
        case .unix(let path):
            return .listening(try NamedSocket.listen(path, mode: 0o755, backlog: backlog), endpoint)
        }
    }

    var endpoint: HostEndpoint {
        switch self {
        case .connecting(let endpoint), .listening(_, let endpoint): endpoint
        }
    }

    /// Readable when a conversation can be opened without waiting; `nil` when that is always so.
    var listener: Int32? {
        switch self {
        case .connecting: nil
        case .listening(let descriptor, _): descriptor
        }
    }

    /// A blocking socket on which nothing has been said.
    func open() throws(AgentFailure) -> Int32 {
        switch self {
        case .connecting(let endpoint): return try endpoint.connect()
        case .listening(let listener, let endpoint):
            let deadline = ringway_monotonic_nanoseconds() + UInt64(HostEndpoint.patience) * 1_000_000
            while true {
                var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
                let now = ringway_monotonic_nanoseconds()
                guard now < deadline, poll(&entry, 1, Int32((deadline - now) / 1_000_000)) == 1 else {
                    throw AgentFailure("no host has connected to \(endpoint)")
                }
                let descriptor = ringway_accept_stream(listener, false)
                guard descriptor >= 0 else { throw AgentFailure(cannot: "accept the host on \(endpoint)") }
                guard endpoint.isHost(descriptor) else {
                    close(descriptor)
                    continue
                }
                _ = ringway_set_patience(descriptor, HostEndpoint.patience)
                return descriptor
            }
        }
    }
}
