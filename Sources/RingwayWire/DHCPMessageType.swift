/// What a DHCP message wants (RFC 2132 §9.6).
@frozen
public enum DHCPMessageType: UInt8, Sendable, BitwiseCopyable {
    /// Is there a server?
    case discover = 1
    /// A server offers an address.
    case offer
    /// A client asks for an address, or to keep it.
    case request
    /// A client found the address in use.
    case decline
    /// The address is the client's.
    case ack
    /// The address is not the client's.
    case nak
    /// The client gives the address back.
    case release
    /// A client with an address asks for the other options.
    case inform
}
