/// A checked view of an ICMP message for IPv4 (RFC 792) or IPv6 (RFC 4443 §2.1). The layout is the same, but types
/// and codes differ. The checksum is not verified.
///
///      0       8       16                              31
///     +-------+-------+-------------------------------+
///     | type  | code  |           checksum            |
///     +-------+-------+---------------+---------------+
///     |  identifier of an echo        |   sequence    |
///     |  or the parameter of an error, 32 bits        |
///     +-----------------------------------------------+
@frozen
public struct ICMPHeader<Family>: BitwiseCopyable {
    /// Bytes before the payload.
    @inlinable public static var length: Int { 8 }
    /// The offset of the checksum.
    @inlinable public static var checksumOffset: Int { 2 }

    @usableFromInline let bytes: UnsafeRawBufferPointer
    @usableFromInline let base: UnsafeRawPointer

    /// `nil` if there are fewer than eight bytes.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length else { return nil }
        self.bytes = bytes
        self.base = base
    }

    /// The message's type; `ICMPv4Header` and `ICMPv6Header` have constants for known types.
    @inlinable public var type: UInt8 { base.byte(0) }
    /// Refines the type.
    @inlinable public var code: UInt8 { base.byte(1) }
    /// The checksum field.
    @inlinable public var checksum: UInt16 { base.word16(2) }
    /// In an echo: the sender's identifier.
    @inlinable public var identifier: UInt16 { base.word16(4) }
    /// In an echo: the request's number. In IPv4's "fragmentation needed": the next hop's MTU (RFC 1191 §4).
    @inlinable public var sequence: UInt16 { base.word16(6) }
    /// In ICMPv6's "packet too big": the next hop's MTU. In ICMPv6's "parameter problem": the pointer.
    @inlinable public var parameter: UInt32 { base.word32(4) }
    /// The payload: an echo's data, or the packet that an error quotes.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: bytes.count &- Self.length)
    }
}

/// ICMP for IPv4.
public enum ICMPv4 {}
/// ICMP for IPv6.
public enum ICMPv6 {}

/// A message of ICMP for IPv4.
public typealias ICMPv4Header = ICMPHeader<ICMPv4>
/// A message of ICMP for IPv6.
public typealias ICMPv6Header = ICMPHeader<ICMPv6>

extension ICMPHeader where Family == ICMPv4 {
    /// Type: echo reply.
    @inlinable public static var echoReply: UInt8 { 0 }
    /// Type: the packet could not be delivered.
    @inlinable public static var destinationUnreachable: UInt8 { 3 }
    /// Type: a better router exists.
    @inlinable public static var redirect: UInt8 { 5 }
    /// Type: echo request.
    @inlinable public static var echoRequest: UInt8 { 8 }
    /// Type: router advertisement (RFC 1256).
    @inlinable public static var routerAdvertisement: UInt8 { 9 }
    /// Type: router solicitation (RFC 1256).
    @inlinable public static var routerSolicitation: UInt8 { 10 }
    /// Type: the hop limit reached zero, or reassembly timed out.
    @inlinable public static var timeExceeded: UInt8 { 11 }
    /// Type: the packet was malformed.
    @inlinable public static var parameterProblem: UInt8 { 12 }

    /// Code of "unreachable": no route to the network.
    @inlinable public static var networkUnreachable: UInt8 { 0 }
    /// Code of "unreachable": the host does not respond.
    @inlinable public static var hostUnreachable: UInt8 { 1 }
    /// Code of "unreachable": the host does not support the protocol.
    @inlinable public static var protocolUnreachable: UInt8 { 2 }
    /// Code of "unreachable": the port is closed.
    @inlinable public static var portUnreachable: UInt8 { 3 }
    /// Code of "unreachable": the packet exceeds the MTU and DF is set.
    @inlinable public static var fragmentationNeeded: UInt8 { 4 }
    /// Code of "unreachable": forbidden by policy (RFC 1812 §5.2.7.1).
    @inlinable public static var administrativelyProhibited: UInt8 { 13 }
    /// Code of "time exceeded": the hop limit reached zero.
    @inlinable public static var hopLimitExceeded: UInt8 { 0 }
    /// Code of "time exceeded": reassembly timed out.
    @inlinable public static var reassemblyTimeExceeded: UInt8 { 1 }
}

extension ICMPHeader where Family == ICMPv6 {
    /// Type: the packet could not be delivered.
    @inlinable public static var destinationUnreachable: UInt8 { 1 }
    /// Type: the packet does not fit the next link.
    @inlinable public static var packetTooBig: UInt8 { 2 }
    /// Type: the hop limit reached zero, or reassembly timed out.
    @inlinable public static var timeExceeded: UInt8 { 3 }
    /// Type: the packet was malformed.
    @inlinable public static var parameterProblem: UInt8 { 4 }
    /// Type: echo request.
    @inlinable public static var echoRequest: UInt8 { 128 }
    /// Type: echo reply.
    @inlinable public static var echoReply: UInt8 { 129 }
    /// Type: router solicitation (RFC 4861 §4.1).
    @inlinable public static var routerSolicitation: UInt8 { 133 }
    /// Type: router advertisement (RFC 4861 §4.2).
    @inlinable public static var routerAdvertisement: UInt8 { 134 }
    /// Type: neighbour solicitation (RFC 4861 §4.3).
    @inlinable public static var neighborSolicitation: UInt8 { 135 }
    /// Type: neighbour advertisement (RFC 4861 §4.4).
    @inlinable public static var neighborAdvertisement: UInt8 { 136 }
    /// Type: redirect (RFC 4861 §4.5).
    @inlinable public static var redirect: UInt8 { 137 }
    /// Type: MLD query, sent by routers (RFC 2710 §3, RFC 3810 §5.1).
    @inlinable public static var listenerQuery: UInt8 { 130 }
    /// Type: MLD report (RFC 2710 §3).
    @inlinable public static var listenerReport: UInt8 { 131 }
    /// Type: MLD done (RFC 2710 §3).
    @inlinable public static var listenerDone: UInt8 { 132 }
    /// Type: MLDv2 report (RFC 3810 §5.2).
    @inlinable public static var listenerReportVersion2: UInt8 { 143 }
    /// Type: router renumbering (RFC 2894).
    @inlinable public static var routerRenumbering: UInt8 { 138 }

    /// Whether the type is one of neighbour discovery (RFC 4861 §4) or of its certification paths (RFC 3971 §6).
    @inlinable
    public static func isNeighborDiscovery(_ type: UInt8) -> Bool {
        (routerSolicitation...redirect).contains(type) || type == 148 || type == 149
    }

    /// Code of "unreachable": no route.
    @inlinable public static var noRoute: UInt8 { 0 }
    /// Code of "unreachable": forbidden by policy.
    @inlinable public static var administrativelyProhibited: UInt8 { 1 }
    /// Code of "unreachable": the host does not respond.
    @inlinable public static var addressUnreachable: UInt8 { 3 }
    /// Code of "unreachable": the port is closed.
    @inlinable public static var portUnreachable: UInt8 { 4 }
    /// Code of "time exceeded": the hop limit reached zero.
    @inlinable public static var hopLimitExceeded: UInt8 { 0 }
    /// Code of "time exceeded": reassembly timed out.
    @inlinable public static var reassemblyTimeExceeded: UInt8 { 1 }
    /// Code of "parameter problem": the next header has an unknown type.
    @inlinable public static var unrecognizedNextHeader: UInt8 { 1 }
}

/// The fields of the first eight bytes of an ICMP message, whose layout is the same for IPv4 and IPv6.
@frozen
public struct ICMPFields: Equatable, Sendable, BitwiseCopyable {
    /// A constant of `ICMPv4Header` or `ICMPv6Header`.
    public var type: UInt8
    /// Refines the type.
    public var code: UInt8
    /// In an echo: the sender's identifier.
    public var identifier: UInt16
    /// In an echo: the request's number. In "fragmentation needed": the next hop's MTU.
    public var sequence: UInt16

    /// The fields of an echo, or of an error without parameter.
    @inlinable
    public init(type: UInt8, code: UInt8 = 0, identifier: UInt16 = 0, sequence: UInt16 = 0) {
        self.type = type
        self.code = code
        self.identifier = identifier
        self.sequence = sequence
    }

    /// The fields of an error with a 32-bit parameter, such as "packet too big".
    @inlinable
    public init(type: UInt8, code: UInt8 = 0, parameter: UInt32) {
        self.init(
            type: type, code: code, identifier: UInt16(truncatingIfNeeded: parameter >> 16),
            sequence: UInt16(truncatingIfNeeded: parameter))
    }

    /// Writes eight bytes with a zero checksum.
    @inlinable
    public func write(to target: UnsafeMutableRawPointer) {
        target.store8(type, 0)
        target.store8(code, 1)
        target.store16(0, 2)
        target.store16(identifier, 4)
        target.store16(sequence, 6)
    }
}

/// The fields of ICMP for IPv4, whose checksum covers only the message. The layout is that of ICMPv6.
public typealias ICMPv4Fields = ICMPFields
/// The fields of ICMPv6, whose checksum also covers a pseudo-header. The layout is that of ICMP for IPv4.
public typealias ICMPv6Fields = ICMPFields
