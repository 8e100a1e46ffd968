internal import RingwayModel

extension UDPFiltering {
    /// Whether a peer that may send from the address and port `first` may also send from `second`.
    @inline(__always)
    func covers(_ first: TransportAddress, _ second: TransportAddress) -> Bool {
        switch self {
        case .endpointIndependent: true
        case .address: first.address == second.address
        case .addressAndPort: first == second
        }
    }

    /// The port to record for a peer: zero if the filter ignores ports.
    @inline(__always)
    func remembered(_ port: UInt16) -> UInt16 {
        switch self {
        case .addressAndPort: port
        case .endpointIndependent, .address: 0
        }
    }
}
