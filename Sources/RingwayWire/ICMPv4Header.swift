/// A checked view of an ICMP message for IPv4 (RFC 792). The checksum is not verified.
@frozen
public struct ICMPv4Header: BitwiseCopyable {
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
    /// Of an echo: which request. Of "fragmentation needed": the next hop's MTU (RFC 1191 §4).
    @inlinable public var sequence: UInt16 { base.word16(6) }
    /// What follows: an echo's data, or the packet an error quotes.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: bytes.count &- Self.length)
    }

    /// Type: the answer to an echo.
    @inlinable public static var echoReply: UInt8 { 0 }
    /// Type: the packet could not be delivered.
    @inlinable public static var destinationUnreachable: UInt8 { 3 }
    /// Type: another router is nearer.
    @inlinable public static var redirect: UInt8 { 5 }
    /// Type: please answer.
    @inlinable public static var echoRequest: UInt8 { 8 }
    /// Type: a router presents itself (RFC 1256).
    @inlinable public static var routerAdvertisement: UInt8 { 9 }
    /// Type: is a router there? (RFC 1256)
    @inlinable public static var routerSolicitation: UInt8 { 10 }
    /// Type: the packet ran out of hops, or its fragments of time.
    @inlinable public static var timeExceeded: UInt8 { 11 }
    /// Type: the packet was malformed.
    @inlinable public static var parameterProblem: UInt8 { 12 }

    /// Code of "unreachable": no route to the network.
    @inlinable public static var networkUnreachable: UInt8 { 0 }
    /// Code of "unreachable": the host does not answer.
    @inlinable public static var hostUnreachable: UInt8 { 1 }
    /// Code of "unreachable": the host does not speak the protocol.
    @inlinable public static var protocolUnreachable: UInt8 { 2 }
    /// Code of "unreachable": nobody listens on the port.
    @inlinable public static var portUnreachable: UInt8 { 3 }
    /// Code of "unreachable": too long, and not to be cut.
    @inlinable public static var fragmentationNeeded: UInt8 { 4 }
    /// Code of "unreachable": forbidden by policy (RFC 1812 §5.2.7.1).
    @inlinable public static var administrativelyProhibited: UInt8 { 13 }
    /// Code of "time exceeded": in transit.
    @inlinable public static var hopLimitExceeded: UInt8 { 0 }
    /// Code of "time exceeded": while reassembling.
    @inlinable public static var reassemblyTimeExceeded: UInt8 { 1 }
}
