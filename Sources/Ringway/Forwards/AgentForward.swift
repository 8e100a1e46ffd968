public import RingwayModel

/// A place on the host whose clients are led to a server inside a guest, by the guest's agent: wherever the server
/// listens, on its loopback, in another network namespace, or at a unix socket.
///
/// The server sees the agent as its client.
public struct AgentForward: Hashable, Sendable {
    /// Where the host waits for clients.
    public enum Place: Hashable, Sendable {
        /// TCP or UDP, as the target is.
        case address(TransportAddress)
        /// The path of a unix socket that is made; for targets of streams.
        case unix(path: String)
    }

    public var place: Place
    /// The server, as the agent reaches it.
    public var target: DialTarget
    /// The guest whose agent it is, which need not be there yet.
    public var guest: GuestSelector

    /// A forward through an agent.
    public init(_ place: Place, to target: DialTarget, guest: GuestSelector = .first) {
        self.place = place
        self.target = target
        self.guest = guest
    }
}

extension AgentForward: CustomStringConvertible {
    /// For messages to people.
    public var description: String {
        switch place {
        case .address(let address): "\(address) to \(target)"
        case .unix(let path): "\(path) to \(target)"
        }
    }
}
