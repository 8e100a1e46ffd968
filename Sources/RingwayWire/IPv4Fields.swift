/// The meaning of an IPv4 header without options.
@frozen
public struct IPv4Fields: Equatable, Sendable, BitwiseCopyable {
    /// Who sends the packet.
    public var source: IPv4Address
    /// To whom it goes.
    public var destination: IPv4Address
    /// One of `IPProtocol`.
    public var protocolNumber: UInt8
    /// Hops left.
    public var timeToLive: UInt8
    /// Differentiated services and ECN.
    public var typeOfService: UInt8
    /// Routers must not cut the packet.
    public var dontFragment: Bool
    /// This is not the packet's last fragment.
    public var moreFragments: Bool
    /// What fragments of one packet share.
    public var identification: UInt16
    /// Where in the packet's payload this fragment belongs: octets, a multiple of eight.
    public var fragmentOffset: UInt16
    /// Octets after the header.
    public var payloadLength: UInt16

    /// The fields of a packet.
    ///
    /// - Precondition: header and payload fit in 65535 octets.
    @inlinable
    public init(
        source: IPv4Address, destination: IPv4Address, protocolNumber: UInt8, payloadLength: Int,
        timeToLive: UInt8 = 64, identification: UInt16 = 0, dontFragment: Bool = true, moreFragments: Bool = false,
        fragmentOffset: Int = 0, typeOfService: UInt8 = 0
    ) {
        precondition(payloadLength >= 0 && payloadLength <= 65535 - 20, "payload does not fit an IPv4 packet")
        precondition(fragmentOffset & 7 == 0 && fragmentOffset >= 0 && fragmentOffset <= 65528)
        self.source = source
        self.destination = destination
        self.protocolNumber = protocolNumber
        self.timeToLive = timeToLive
        self.typeOfService = typeOfService
        self.dontFragment = dontFragment
        self.moreFragments = moreFragments
        self.identification = identification
        self.fragmentOffset = UInt16(truncatingIfNeeded: fragmentOffset)
        self.payloadLength = UInt16(truncatingIfNeeded: payloadLength)
    }

    /// Writes twenty octets, the header's checksum included.
    @inlinable @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        let fragment = (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0) | fragmentOffset >> 3
        target.store16(0x4500 | UInt16(typeOfService), 0)
        target.store16(payloadLength &+ 20, 2)
        target.store16(identification, 4)
        target.store16(fragment, 6)
        target.store8(timeToLive, 8)
        target.store8(protocolNumber, 9)
        target.store16(0, 10)
        source.store(to: target + 12)
        destination.store(to: target + 16)
        let checksum = Checksum.finish(Checksum.ipv4Header(target, length: 20))
        target.storeBytes(of: checksum, toByteOffset: 10, as: UInt16.self)
    }
}
