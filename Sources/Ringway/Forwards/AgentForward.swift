public import RingwayModel

/// A listening place on the host, an address or a unix socket, whose clients the guest's agent forwards to a server
/// inside the guest. The server may listen on loopback, in another network namespace, or on a unix socket.
///
/// To the server, the agent is the client.
public struct AgentForward: Hashable, Sendable {
    /// The listening place on the host.
    public enum Place: Hashable, Sendable {
        /// TCP or UDP, according to the target.
        case address(TransportAddress)
        /// The path of a unix socket to create; for stream targets.
        case unix(path: String)
    }

    public var place: Place
    /// The server's address, as seen by the agent.
    public var target: DialTarget
    /// The guest whose agent is used; it need not be attached yet.
    public var guest: GuestSelector

    /// A forward through an agent.
    public init(_ place: Place, to target: DialTarget, guest: GuestSelector = .first) {
        self.place = place
        self.target = target
        self.guest = guest
    }
}

extension AgentForward: CustomStringConvertible {
    /// For messages to users.
    public var description: String {
        switch place {
        case .address(let address): "\(address) to \(target)"
        case .unix(let path): "\(path) to \(target)"
        }
    }
}
