/// DHCP option codes (RFC 2132 unless said).
public enum DHCPOption {
    /// One octet without a length.
    @inlinable public static var pad: UInt8 { 0 }
    /// The subnet's mask.
    @inlinable public static var subnetMask: UInt8 { 1 }
    /// Routers, the best first.
    @inlinable public static var router: UInt8 { 3 }
    /// Name servers, the best first.
    @inlinable public static var domainNameServer: UInt8 { 6 }
    /// What the client calls itself.
    @inlinable public static var hostName: UInt8 { 12 }
    /// The domain the client is in.
    @inlinable public static var domainName: UInt8 { 15 }
    /// The link's MTU.
    @inlinable public static var interfaceMTU: UInt8 { 26 }
    /// The subnet's broadcast address.
    @inlinable public static var broadcastAddress: UInt8 { 28 }
    /// Time servers.
    @inlinable public static var networkTimeServer: UInt8 { 42 }
    /// The address the client would like.
    @inlinable public static var requestedAddress: UInt8 { 50 }
    /// Seconds an address is lent for.
    @inlinable public static var leaseTime: UInt8 { 51 }
    /// One of `DHCPMessageType`.
    @inlinable public static var messageType: UInt8 { 53 }
    /// The address of the server that is meant, or that answers.
    @inlinable public static var serverIdentifier: UInt8 { 54 }
    /// Codes the client would like to see in the answer.
    @inlinable public static var parameterRequestList: UInt8 { 55 }
    /// Why a request was refused.
    @inlinable public static var message: UInt8 { 56 }
    /// Octets of the longest message the client takes.
    @inlinable public static var maximumMessageSize: UInt8 { 57 }
    /// Seconds until the client renews.
    @inlinable public static var renewalTime: UInt8 { 58 }
    /// Seconds until the client looks for any server.
    @inlinable public static var rebindingTime: UInt8 { 59 }
    /// What names the client, before its hardware address.
    @inlinable public static var clientIdentifier: UInt8 { 61 }
    /// Answer at once, without an offer (RFC 4039).
    @inlinable public static var rapidCommit: UInt8 { 80 }
    /// Seconds to go without IPv4 (RFC 8925).
    @inlinable public static var ipv6OnlyPreferred: UInt8 { 108 }
    /// Domains to look names up in (RFC 3397).
    @inlinable public static var domainSearch: UInt8 { 119 }
    /// Routes to more networks (RFC 3442).
    @inlinable public static var classlessStaticRoutes: UInt8 { 121 }
    /// One octet without a length, after the last option.
    @inlinable public static var end: UInt8 { 255 }
}
