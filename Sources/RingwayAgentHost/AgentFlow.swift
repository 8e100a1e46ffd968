public import RingwayModel

/// The forward or the host socket to which a connection through an agent belongs.
public enum AgentRoute: Hashable, Sendable {
    /// A forward configured on the host, by its number.
    case host(UInt32)
    /// A port requested by the agent, by the number of its request.
    case agent(UInt32)
    /// A socket of the host that the guest may use, by name.
    case hostSocket(String)
}

/// The two ends of a connection through an agent.
public struct AgentConnection: Sendable {
    public let route: AgentRoute
    /// The client's address; `nil` for a client of a unix socket and for a program in the guest.
    public let client: TransportAddress?
    /// The server in the guest; `nil` for a socket of the host.
    public let target: DialTarget?

    public init(route: AgentRoute, client: TransportAddress?, target: DialTarget?) {
        self.route = route
        self.client = client
        self.target = target
    }

    /// The server's address in the guest, if it has one.
    public var server: TransportAddress? {
        switch target?.endpoint {
        case .tcp(let address), .udp(let address): address
        case .unix, nil: nil
        }
    }
}

/// A connection, or a client of a UDP port, that is relayed on the agents' thread.
public struct AgentFlow: Sendable {
    public let agent: UInt32
    public let connection: AgentConnection
    /// Payload bytes; not counted for datagrams.
    public var bytesToGuest: UInt64 = 0
    public var bytesFromGuest: UInt64 = 0
    public var hasClientEnded = false
    public var hasGuestEnded = false
    /// Nanoseconds since the last datagram; zero for a connection.
    public var idle: UInt64 = 0

    init(agent: UInt32, connection: AgentConnection) {
        self.agent = agent
        self.connection = connection
    }
}
