/// Where a network gets TCP sockets that live inside its guest, for connections that need no ethernet in between.
///
/// With them a connection from the host's loopback to a published port is carried by two sockets and nothing else. Other
/// clients reach the guest by the link, which preserves their addresses.
///
/// Each descriptor is one end of a SOCK_SEQPACKET pair, at the other end of which a process inside the guest's network
/// namespace answers:
///
/// - a request is two bytes: 4 or 6 for the family, and how many sockets are wanted;
/// - an answer is one byte, the family, with as many sockets as could be made, as SCM_RIGHTS.
///
/// The sockets are fresh, non-blocking and close-on-exec. They may be bound to an address that the guest does not have
/// (IP_TRANSPARENT, IPV6_TRANSPARENT), and the guest's routes bring back to them what it sends to the network's host
/// address in answer.
public struct GuestSockets: Sendable {
    /// One for each queue of the link, or none at all.
    public var descriptors: [Int32]

    public init(descriptors: [Int32]) { self.descriptors = descriptors }

    /// No such source.
    public static let none = GuestSockets(descriptors: [])
}
