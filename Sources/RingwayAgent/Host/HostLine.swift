internal import CRingway
internal import Glibc
internal import RingwaySystem
internal import Synchronization

/// The direction in which channels are opened: the agent connects, or the host does.
///
/// A host that connects, as behind the vsock of Firecracker or cloud-hypervisor, always keeps one connection open on
/// which the agent has not sent anything yet. The agent's hello gives that connection its role.
enum HostLine: Sendable {
    case connecting(HostEndpoint)
    /// The listening socket, open for the life of the process.
    case listening(Int32, HostEndpoint)

    private static var backlog: Int32 { 128 }

    /// Listens for connections from the host.
    static func listen(_ endpoint: HostEndpoint) throws(AgentFailure) -> HostLine {
        switch endpoint {
        case .vsock(_, let port):
            guard let listener = OwnedDescriptor(result: ringway_vsock_open()),
                ringway_vsock_listen(listener.rawValue, port, backlog) == 0
            else { throw AgentFailure(cannot: "listen on \(endpoint)") }
            return .listening(listener.take(), endpoint)
        case .unix(let path):
            let listener = try AgentFailure.wrap { () throws(SystemError) in
                try NamedSocket.listen(path, mode: 0o755, backlog: backlog)
            }
            return .listening(listener.take(), endpoint)
        }
    }

    var endpoint: HostEndpoint {
        switch self {
        case .connecting(let endpoint), .listening(_, let endpoint): endpoint
        }
    }

    /// A descriptor that is readable when a connection from the host waits to be accepted; `nil` if the agent connects
    /// to the host.
    var listener: Int32? {
        switch self {
        case .connecting: nil
        case .listening(let descriptor, _): descriptor
        }
    }

    /// Opens a channel: a blocking socket on which nothing has been sent yet.
    func open() throws(AgentFailure) -> OwnedDescriptor {
        switch self {
        case .connecting(let endpoint): return try endpoint.connect()
        case .listening(let listener, let endpoint):
            let deadline = ringway_monotonic_nanoseconds() + UInt64(HostEndpoint.timeout) * 1_000_000
            while true {
                let now = ringway_monotonic_nanoseconds()
                guard now < deadline,
                    Readiness.wait(for: listener, milliseconds: Int32((deadline - now) / 1_000_000))
                else {
                    throw AgentFailure("no host has connected to \(endpoint)")
                }
                guard let channel = OwnedDescriptor(result: ringway_accept_stream(listener, false)) else {
                    throw AgentFailure(cannot: "accept the host on \(endpoint)")
                }
                guard endpoint.isHost(channel.rawValue) else { continue }
                _ = ringway_set_timeout(channel.rawValue, HostEndpoint.timeout)
                return channel
            }
        }
    }
}
