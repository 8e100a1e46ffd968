internal import RingwayModel

/// What makes fragments parts of one datagram: RFC 791 §2.3 adds the protocol to the addresses and the identification,
/// RFC 8200 §4.5 does not, because there only the first fragment's next header counts.
struct FragmentKey: Equatable {
    let source: IPAddress
    let destination: IPAddress
    let identification: UInt32
    /// Zero for IPv6.
    let protocolNumber: UInt8
}
