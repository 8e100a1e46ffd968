/// A forward that a network has, from when it is published until it is removed or the network ends.
public struct PublishedPort: Hashable, Sendable, Identifiable {
    /// Its number on the network; none is given twice.
    public let id: UInt32
    /// The forward as published: the request, with chosen ports filled in.
    public internal(set) var forward: PortForward
    /// The request.
    public let requested: PortForward
    /// Whether the host's ports were chosen among free ones.
    public var isChosen: Bool { forward != requested }
    /// Owner tag. `setPublished` replaces only ports with the same owner.
    public let owner: String
    /// The guest it leads to now; `nil` while that one is not there, and clients are refused.
    public internal(set) var guest: Guest.ID?
    /// Why its ports could not be had, or lead nowhere although its guest is there. It is tried again.
    public internal(set) var problem: String?
}

/// The result of replacing an owner's published ports.
public struct ForwardChanges: Sendable {
    public var added: [PublishedPort] = []
    public var removed: [PublishedPort] = []
    public var kept: [PublishedPort] = []
}
