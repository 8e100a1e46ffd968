/// A published forward, from its publication to its removal or the network's end.
public struct PublishedPort: Hashable, Sendable, Identifiable {
    /// A number that no other published port and no `AgentPlace` of the network has. Numbers repeat only after about
    /// four billion.
    public let id: UInt32
    /// The forward as published: the request, with chosen ports filled in.
    public internal(set) var forward: PortForward
    /// The forward as requested.
    public var requested: PortForward { request?.forward ?? forward }
    /// Whether the network chose the host ports.
    public var isChosen: Bool { request != nil }
    /// The owner tag. `setPublished` replaces only ports with the same owner.
    public let owner: String
    /// The current guest; `nil` while no guest matches the forward. Clients are then refused.
    public internal(set) var guest: Guest.ID?
    /// Why the forward's ports could not be opened, or cannot be forwarded although the guest is attached. The network
    /// retries later.
    public internal(set) var problem: String?
    /// The request, if the network chose the ports; otherwise `nil`. Stored as an object, so that the many ports
    /// without it take little memory.
    private let request: Request?

    init(
        id: UInt32, forward: PortForward, requested: PortForward, owner: String, guest: Guest.ID? = nil,
        problem: String? = nil
    ) {
        self.id = id
        self.forward = forward
        self.owner = owner
        self.guest = guest
        self.problem = problem
        request = forward == requested ? nil : Request(requested)
    }

    private final class Request: Hashable, Sendable {
        let forward: PortForward

        init(_ forward: PortForward) { self.forward = forward }

        static func == (one: Request, other: Request) -> Bool { one.forward == other.forward }

        func hash(into hasher: inout Hasher) { hasher.combine(forward) }
    }
}

/// The result of replacing an owner's published ports.
public struct ForwardChanges: Sendable {
    public var added: [PublishedPort] = []
    public var removed: [PublishedPort] = []
    public var kept: [PublishedPort] = []
}
