internal import RingwayLinks
internal import RingwayStack

// Conversions of the stack's requests (`Effect`) to the types that components take.

extension OutgoingFrame {
    @inline(__always)
    init(_ effect: Effect) {
        self.init(
            effect.lease, offset: effect.offset, length: effect.length, payload: effect.payload,
            payloadOffset: effect.payloadOffset, payloadLength: effect.payloadLength)
    }
}

extension OutgoingDatagram {
    @inline(__always)
    init(_ effect: Effect) {
        self.init(
            flow: effect.handle, target: effect.address, lease: effect.lease, offset: effect.offset,
            length: effect.length, segmentSize: effect.segmentSize, hopLimit: effect.hopLimit,
            trafficClass: effect.trafficClass, dontFragment: effect.dontFragment)
    }
}

extension ConnectManner {
    /// The options for the connect that an effect requests.
    init(_ effect: Effect) {
        self.init(
            hopLimit: effect.hopLimit < TCPBounds.fewHops ? effect.hopLimit : nil, trafficClass: effect.trafficClass,
            privilegedPort: effect.sourcePort)
    }
}
