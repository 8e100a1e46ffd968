public import RingwayModel

/// A checked view of an IPv6 packet (RFC 8200 §3). Jumbograms (RFC 2675) are not supported: their length field is zero,
/// so their payload appears empty.
///
///      0       4               12                                   31
///     +-------+---------------+--------------------------------------+
///     |version| traffic class |              flow label              |
///     +-------+---------------+-------+---------------+--------------+
///     |        payload length         |  next header  |  hop limit   |
///     +-------------------------------+---------------+--------------+
///     |                    source address, 16 bytes                  |
///     |                  destination address, 16 bytes               |
///     +--------------------------------------------------------------+
@frozen
public struct IPv6Header: BitwiseCopyable {
    /// Bytes in the fixed header.
    @inlinable public static var length: Int { 40 }

    @usableFromInline let base: UnsafeRawPointer
    @usableFromInline let available: Int

    /// `nil` if the version is not 6, or `bytes` is shorter than the header and the payload that its length field
    /// states. Bytes after the packet are ignored.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        self.init(quoted: bytes)
        guard payloadLength &+ Self.length <= bytes.count else { return nil }
    }

    /// The view of a packet that may be truncated after its header, as quoted by ICMPv6 errors.
    @inlinable
    public init?(quoted bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length, base.byte(0) >> 4 == 6 else { return nil }
        self.base = base
        available = min(bytes.count &- Self.length, Int(base.word16(4)))
    }

    /// Differentiated services and ECN.
    @inlinable public var trafficClass: UInt8 { UInt8(truncatingIfNeeded: base.word16(0) >> 4) }
    /// Twenty bits that packets of one flow share (RFC 6437).
    @inlinable public var flowLabel: UInt32 { base.word32(0) & 0xF_FFFF }
    /// Bytes after the fixed header, including extension headers.
    @inlinable public var payloadLength: Int { Int(base.word16(4)) }
    /// One of `IPProtocol`, or another protocol.
    @inlinable public var nextHeader: UInt8 { base.byte(6) }
    /// The remaining hops.
    @inlinable public var hopLimit: UInt8 { base.byte(7) }
    /// The source address.
    @inlinable public var source: IPv6Address { IPv6Address(loadingFrom: base + 8) }
    /// The destination address.
    @inlinable public var destination: IPv6Address { IPv6Address(loadingFrom: base + 24) }
    /// Extension headers and payload, as long as the length field states. In a quoted packet, only the quoted part.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: available)
    }
}

/// The fields of an IPv6 header.
@frozen
public struct IPv6Fields: Equatable, Sendable, BitwiseCopyable {
    /// The source address.
    public var source: IPv6Address
    /// The destination address.
    public var destination: IPv6Address
    /// Twenty bits that packets of one flow share.
    public var flowLabel: UInt32
    /// Bytes after the fixed header.
    public var payloadLength: UInt16
    /// One of `IPProtocol`.
    public var nextHeader: UInt8
    /// The remaining hops.
    public var hopLimit: UInt8
    /// Differentiated services and ECN.
    public var trafficClass: UInt8

    /// The fields of a packet.
    ///
    /// - Precondition: the payload fits in 65535 bytes.
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

    /// Writes forty bytes.
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
