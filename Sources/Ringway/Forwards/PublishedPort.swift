/// A forward that a network has, from when it is published until it is removed or the network ends.
public struct PublishedPort: Hashable, Sendable, Identifiable {
    /// Its number on the network; none is given twice.
    public let id: UInt32
    /// What is published: of what was asked for, with ports that were to be chosen filled in.
    public internal(set) var forward: PortForward
    /// What was asked for.
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

/// What came of setting a whole of published ports.
public struct ForwardChanges: Sendable {
    public var added: [PublishedPort] = []
    public var removed: [PublishedPort] = []
    public var kept: [PublishedPort] = []
}
