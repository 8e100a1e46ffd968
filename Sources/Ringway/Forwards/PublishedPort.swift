internal import Glibc

/// A forward that a network has, from when it is published until it is removed or the network ends.
public struct PublishedPort: Hashable, Sendable, Identifiable {
    /// Its number on the network; none is given twice.
    public let id: UInt32
    public let forward: PortForward
    /// The guest it leads to now; `nil` while that one is not there, and clients are refused.
    public internal(set) var guest: Guest.ID?
}

/// A forward as its network keeps it.
struct ForwardRecord {
    var port: PublishedPort
    /// TCP ports that are kept from others while no guest is there to listen for.
    var reservations: [Int32] = []

    mutating func closeReservations() {
        for descriptor in reservations { close(descriptor) }
        reservations = []
    }
}
