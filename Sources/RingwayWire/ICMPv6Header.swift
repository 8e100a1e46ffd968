/// A checked view of an ICMPv6 message (RFC 4443 §2.1). The checksum is not verified.
@frozen
public struct ICMPv6Header: BitwiseCopyable {
    /// Octets before the payload.
    @inlinable public static var length: Int { 8 }
    /// Where the checksum is.
    @inlinable public static var checksumOffset: Int { 2 }

    @usableFromInline let bytes: UnsafeRawBufferPointer
    @usableFromInline let base: UnsafeRawPointer

    /// Returns `nil` when there are fewer than eight octets.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length else { return nil }
        self.bytes = bytes
        self.base = base
    }

    /// One of the constants below, or something else.
    @inlinable public var type: UInt8 { base.octet(0) }
    /// What refines the type.
    @inlinable public var code: UInt8 { base.octet(1) }
    /// The checksum as the wire carries it.
    @inlinable public var checksum: UInt16 { base.word16(2) }
    /// Of an echo: which conversation.
    @inlinable public var identifier: UInt16 { base.word16(4) }
    /// Of an echo: which request.
    @inlinable public var sequence: UInt16 { base.word16(6) }
    /// Of "packet too big": the next hop's MTU. Of "parameter problem": where.
    @inlinable public var parameter: UInt32 { base.word32(4) }
    /// What follows: an echo's data, or the packet an error quotes.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: bytes.count &- Self.length)
    }

    /// Type: the packet could not be delivered.
    @inlinable public static var destinationUnreachable: UInt8 { 1 }
    /// Type: the packet does not fit the next link.
    @inlinable public static var packetTooBig: UInt8 { 2 }
    /// Type: the packet ran out of hops, or its fragments of time.
    @inlinable public static var timeExceeded: UInt8 { 3 }
    /// Type: the packet was malformed.
    @inlinable public static var parameterProblem: UInt8 { 4 }
    /// Type: please answer.
    @inlinable public static var echoRequest: UInt8 { 128 }
    /// Type: the answer to an echo.
    @inlinable public static var echoReply: UInt8 { 129 }
    /// Type: is a router there? (RFC 4861 §4.1)
    @inlinable public static var routerSolicitation: UInt8 { 133 }
    /// Type: a router presents itself (RFC 4861 §4.2).
    @inlinable public static var routerAdvertisement: UInt8 { 134 }
    /// Type: who has this address? (RFC 4861 §4.3)
    @inlinable public static var neighborSolicitation: UInt8 { 135 }
    /// Type: I have this address (RFC 4861 §4.4).
    @inlinable public static var neighborAdvertisement: UInt8 { 136 }
    /// RFC 4861 §4.5.
    @inlinable public static var redirect: UInt8 { 137 }
    /// Type: which multicast groups are listened to? Asked by routers (RFC 2710 §3, RFC 3810 §5.1).
    @inlinable public static var listenerQuery: UInt8 { 130 }
    /// Type: this group is listened to (RFC 2710 §3).
    @inlinable public static var listenerReport: UInt8 { 131 }
    /// Type: this group is no longer listened to (RFC 2710 §3).
    @inlinable public static var listenerDone: UInt8 { 132 }
    /// Type: these groups are listened to (RFC 3810 §5.2).
    @inlinable public static var listenerReportVersion2: UInt8 { 143 }
    /// Type: routers are to use other prefixes (RFC 2894).
    @inlinable public static var routerRenumbering: UInt8 { 138 }

    /// Whether a message of the type is one of neighbour discovery (RFC 4861 §4, RFC 3971 §6).
    @inlinable
    public static func isNeighborDiscovery(_ type: UInt8) -> Bool {
        (routerSolicitation...redirect).contains(type) || type == 148 || type == 149
    }

    /// Code of "unreachable": no route.
    @inlinable public static var noRoute: UInt8 { 0 }
    /// Code of "unreachable": forbidden by policy.
    @inlinable public static var administrativelyProhibited: UInt8 { 1 }
    /// Code of "unreachable": the host does not answer.
    @inlinable public static var addressUnreachable: UInt8 { 3 }
    /// Code of "unreachable": nobody listens on the port.
    @inlinable public static var portUnreachable: UInt8 { 4 }
    /// Code of "time exceeded": in transit.
    @inlinable public static var hopLimitExceeded: UInt8 { 0 }
    /// Code of "time exceeded": while reassembling.
    @inlinable public static var reassemblyTimeExceeded: UInt8 { 1 }
    /// Code of "parameter problem": the next header is of an unknown kind.
    @inlinable public static var unrecognizedNextHeader: UInt8 { 1 }
}
