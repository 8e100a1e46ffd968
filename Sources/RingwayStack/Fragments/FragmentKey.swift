internal import RingwayModel

/// Identifies the datagram that a fragment belongs to. For IPv4 the protocol is part of the key (RFC 791 §2.3); for
/// IPv6 it is not, because only the first fragment's next header counts (RFC 8200 §4.5).
struct FragmentKey: Equatable {
    let source: IPAddress
    let destination: IPAddress
    let identification: UInt32
    /// Zero for IPv6.
    let protocolNumber: UInt8
}
