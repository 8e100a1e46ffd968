public import RingwayModel

/// Ports of the host that are to lead to a guest: one socket for each of them.
public struct ListenOrder: Sendable {
    /// `nil` for every address of both families, which only TCP has one socket for.
    public var address: IPAddress?
    public var ports: ClosedRange<UInt16>
    /// Where the first port leads; the others lead to those behind it.
    public var guest: TransportAddress
    /// TCP rather than UDP.
    public var isStream: Bool
    /// The number of the forward that they are part of.
    public var forward: UInt32
    /// Whether nothing is wrong with a host that lacks the address's family.
    public var isOptional = false
    /// Whether there is no guest yet, so that the sockets are to rest.
    public var isResting = false

    /// The whole order.
    public init(
        address: IPAddress?, ports: ClosedRange<UInt16>, guest: TransportAddress, isStream: Bool, forward: UInt32
    ) {
        self.address = address
        self.ports = ports
        self.guest = guest
        self.isStream = isStream
        self.forward = forward
    }

    func guest(of port: UInt16) -> TransportAddress {
        TransportAddress(address: guest.address, port: guest.port &+ (port &- ports.lowerBound))
    }
}

/// A port could not be had.
public struct HostListenFailure: Error, Equatable, Sendable {
    public let errno: Int32
    public let port: UInt16
    /// The number of the forward that the port is part of.
    public let forward: UInt32

    public init(errno: Int32, port: UInt16, forward: UInt32) {
        self.errno = errno
        self.port = port
        self.forward = forward
    }
}
