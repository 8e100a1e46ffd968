public import RingwayModel

/// Host ports to be forwarded to a guest: one socket for each of them.
public struct ListenOrder: Sendable {
    /// The host address on which to listen; `nil` for all addresses of both families, which is used for TCP only.
    public var address: IPAddress?
    public var ports: ClosedRange<UInt16>
    /// The guest's address and port for the first host port. Each further host port leads to the next guest port. TCP
    /// uses only the port: `AddressBook.target` chooses the address for each client.
    public var guest: TransportAddress
    /// Whether the ports are TCP ports rather than UDP ports.
    public var isStream: Bool
    /// The control plane's number of the forward (a published port or range of ports).
    public var forward: UInt32
    /// Whether a port is skipped without an error if the host lacks the address or its address family.
    public var isOptional = false
    /// Whether there is no guest now, so that the sockets must not listen.
    public var isResting = false

    /// An order that is neither optional nor resting.
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

/// A port that could not be opened.
public struct HostListenFailure: Error, Equatable, Sendable {
    public let errno: Int32
    public let port: UInt16
    /// The number of the port's forward.
    public let forward: UInt32

    public init(errno: Int32, port: UInt16, forward: UInt32) {
        self.errno = errno
        self.port = port
        self.forward = forward
    }
}
