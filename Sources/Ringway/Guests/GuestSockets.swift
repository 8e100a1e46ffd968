/// The source of TCP sockets inside a guest's network namespace, for connections that bypass the link.
///
/// With such sockets a connection from the host's loopback to a published port is relayed between two sockets
/// (spliced). Other clients use the link, which preserves their addresses.
///
/// Each descriptor is one end of a SOCK_SEQPACKET pair; a process inside the guest's network namespace serves the other
/// end:
///
/// - a request is two bytes: 4 or 6 for the family, and the number of sockets;
/// - a reply is one byte, the family, with the sockets that could be created, as SCM_RIGHTS.
///
/// The sockets are new, non-blocking and close-on-exec. They may be bound to an address that the guest does not have
/// (IP_TRANSPARENT, IPV6_TRANSPARENT). Ringway binds them to the network's host address, so the namespace needs
/// routes by which replies to that address reach them.
public struct GuestSockets: Sendable {
    /// One descriptor for each queue of the link; empty if there is no source of sockets.
    public var descriptors: [Int32]

    public init(descriptors: [Int32]) { self.descriptors = descriptors }

    /// No source of sockets.
    public static let none = GuestSockets(descriptors: [])
}
