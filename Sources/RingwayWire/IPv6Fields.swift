/// The meaning of an IPv6 header.
@frozen
public struct IPv6Fields: Equatable, Sendable, BitwiseCopyable {
    /// Who sends the packet.
    public var source: IPv6Address
    /// To whom it goes.
    public var destination: IPv6Address
    /// Twenty bits that packets of one flow share.
    public var flowLabel: UInt32
    /// Octets after the fixed header.
    public var payloadLength: UInt16
    /// One of `IPProtocol`.
    public var nextHeader: UInt8
    /// Hops left.
    public var hopLimit: UInt8
    /// Differentiated services and ECN.
    public var trafficClass: UInt8

    /// The fields of a packet.
    ///
    /// - Precondition: the payload fits in 65535 octets.
    @inlinable
    public init(
        source: IPv6Address, destination: IPv6Address, nextHeader: UInt8, payloadLength: Int, hopLimit: UInt8 = 64,
        trafficClass: UInt8 = 0, flowLabel: UInt32 = 0
    ) {
        precondition(payloadLength >= 0 && payloadLength <= 65535, "payload does not fit an IPv6 packet")
        self.source = source
        self.destination = destination
        self.flowLabel = flowLabel & 0xF_FFFF
        self.payloadLength = UInt16(truncatingIfNeeded: payloadLength)
        self.nextHeader = nextHeader
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
    }

    /// Writes forty octets.
    @inlinable
    public func write(to target: UnsafeMutableRawPointer) {
        target.store32(6 << 28 | UInt32(trafficClass) << 20 | flowLabel, 0)
        target.store16(payloadLength, 4)
        target.store8(nextHeader, 6)
        target.store8(hopLimit, 7)
        source.store(to: target + 8)
        destination.store(to: target + 24)
    }
}
