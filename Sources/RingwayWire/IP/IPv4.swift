public import RingwayModel

/// A checked view of an IPv4 packet (RFC 791 §3.1). The checksum is not verified.
///
///      0       4       8               16    19                       31
///     +-------+-------+---------------+-----+-------------------------+
///     |version| length| type of serv. |         total length          |
///     +-------+-------+---------------+-----+-------------------------+
///     |        identification         |flags|     fragment offset     |
///     +---------------+---------------+-----+-------------------------+
///     | time to live  |   protocol    |        header checksum        |
///     +---------------+---------------+-------------------------------+
///     |                        source address                         |
///     |                      destination address                      |
///     +---------------------------------------------------------------+
@frozen
public struct IPv4Header: BitwiseCopyable {
    /// Bytes in a header without options.
    @inlinable public static var minimumLength: Int { 20 }

    @usableFromInline let base: UnsafeRawPointer
    @usableFromInline let available: Int

    /// The length of the header, including options.
    public let headerLength: Int

    /// `nil` if the version, header length or total length is invalid, or `bytes` is shorter than the total length.
    /// Bytes after the packet are ignored.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(quoted: bytes)
        guard totalLength >= headerLength, totalLength <= bytes.count else { return nil }
    }

    /// The view of a packet that may be truncated after its header, as quoted by ICMP errors.
    @inlinable
    public init?(quoted bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.minimumLength, base.byte(0) >> 4 == 4 else {
            return nil
        }
        let headerLength = Int(base.byte(0) & 0x0F) &* 4
        guard headerLength >= Self.minimumLength, headerLength <= bytes.count else { return nil }
        self.base = base
        self.headerLength = headerLength
        available = max(headerLength, min(bytes.count, Int(base.word16(2))))
    }

    /// Differentiated services and ECN.
    @inlinable public var typeOfService: UInt8 { base.byte(1) }
    /// The length of the packet, including the header.
    @inlinable public var totalLength: Int { Int(base.word16(2)) }
    /// Identifies the fragments of one packet.
    @inlinable public var identification: UInt16 { base.word16(4) }
    /// The three flag bits: reserved, don't fragment, more fragments.
    @inlinable public var flags: UInt8 { base.byte(6) >> 5 }
    /// DF: routers must not fragment the packet.
    @inlinable public var dontFragment: Bool { base.byte(6) & 0x40 != 0 }
    /// Set unless this is the last fragment.
    @inlinable public var moreFragments: Bool { base.byte(6) & 0x20 != 0 }
    /// The offset of this fragment in the packet's payload, in bytes.
    @inlinable public var fragmentOffset: Int { Int(base.word16(6) & 0x1FFF) &* 8 }
    /// The remaining hops.
    @inlinable public var timeToLive: UInt8 { base.byte(8) }
    /// One of `IPProtocol`, or another protocol.
    @inlinable public var protocolNumber: UInt8 { base.byte(9) }
    /// The header's checksum field.
    @inlinable public var checksum: UInt16 { base.word16(10) }
    /// The source address.
    @inlinable public var source: IPv4Address { IPv4Address(loadingFrom: base + 12) }
    /// The destination address.
    @inlinable public var destination: IPv4Address { IPv4Address(loadingFrom: base + 16) }
    /// Options, still encoded.
    @inlinable public var options: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.minimumLength, count: headerLength &- Self.minimumLength)
    }
    /// The payload, as long as the length field states. In a quoted packet, only the quoted part of it.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + headerLength, count: available &- headerLength)
    }
    /// Whether the header's checksum is right.
    @inlinable public var isChecksumValid: Bool {
        Checksum.fold(Checksum.ipv4Header(base, length: headerLength)) == 0xFFFF
    }
}

/// The fields of an IPv4 header without options.
@frozen
public struct IPv4Fields: Equatable, Sendable, BitwiseCopyable {
    /// The source address.
    public var source: IPv4Address
    /// The destination address.
    public var destination: IPv4Address
    /// One of `IPProtocol`.
    public var protocolNumber: UInt8
    /// The remaining hops.
    public var timeToLive: UInt8
    /// Differentiated services and ECN.
    public var typeOfService: UInt8
    /// DF: routers must not fragment the packet.
    public var dontFragment: Bool
    /// Set unless this is the last fragment.
    public var moreFragments: Bool
    /// Identifies the fragments of one packet.
    public var identification: UInt16
    /// The offset of this fragment in the packet's payload, in bytes; a multiple of eight.
    public var fragmentOffset: UInt16
    /// Bytes after the header.
    public var payloadLength: UInt16

    /// The fields of a packet.
    ///
    /// - Precondition: header and payload fit in 65535 bytes; `fragmentOffset` is a multiple of eight, at most 65528.
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

    /// Writes twenty bytes, including the header's checksum.
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
