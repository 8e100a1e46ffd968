public import RingwayModel

/// A checked view of a DHCP message (RFC 2131 §2). Fields are named as in the RFC.
///
///      0       1       2       3               bytes
///     +-------+-------+-------+-------+
///     |  op   | htype | hlen  | hops  |
///     |              xid              |
///     |     secs      |     flags     |
///     |            ciaddr             |
///     |            yiaddr             |
///     |            siaddr             |
///     |            giaddr             |
///     |          chaddr (16)          |
///     |          sname (64)           |
///     |          file (128)           |
///     |    magic cookie, then options |
///     +-------------------------------+
@frozen
public struct DHCPMessage: BitwiseCopyable {
    /// Bytes before the first option, including the magic cookie.
    @inlinable public static var headerLength: Int { 240 }
    /// `op` of messages to a server.
    @inlinable public static var bootRequest: UInt8 { 1 }
    /// `op` of messages to a client.
    @inlinable public static var bootReply: UInt8 { 2 }
    /// The port of servers.
    @inlinable public static var serverPort: UInt16 { 67 }
    /// The port of clients.
    @inlinable public static var clientPort: UInt16 { 68 }
    /// The bit of `flags` by which a client asks for replies by broadcast.
    @inlinable public static var broadcastFlag: UInt16 { 0x8000 }
    /// The magic cookie, which distinguishes DHCP from BOOTP (RFC 2131 §3).
    @inlinable public static var magicCookie: UInt32 { 0x6382_5363 }

    @usableFromInline let base: UnsafeRawPointer
    @usableFromInline let optionsLength: Int

    /// Returns `nil` if the message is short, has an unknown `op`, is not for ethernet, lacks the cookie, or has an
    /// option that extends past the end of the message. Options in `sname` and `file` (option 52) are ignored.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.headerLength,
            base.byte(0) == Self.bootRequest || base.byte(0) == Self.bootReply, base.word16(1) == 0x0106,
            base.word32(236) == Self.magicCookie
        else { return nil }
        self.base = base
        var offset = Self.headerLength
        while offset < bytes.count {
            let code = base.byte(offset)
            if code == DHCPOption.end { break }
            if code == DHCPOption.pad {
                offset += 1
                continue
            }
            guard offset + 1 < bytes.count, offset + 2 + Int(base.byte(offset + 1)) <= bytes.count else { return nil }
            offset += 2 + Int(base.byte(offset + 1))
        }
        optionsLength = offset - Self.headerLength
    }

    /// `bootRequest` or `bootReply`.
    @inlinable public var op: UInt8 { base.byte(0) }
    /// The transaction identifier, which replies repeat.
    @inlinable public var xid: UInt32 { base.word32(4) }
    /// Seconds since the client began to acquire or renew its address.
    @inlinable public var secs: UInt16 { base.word16(8) }
    /// The flags, of which only `broadcastFlag` is defined.
    @inlinable public var flags: UInt16 { base.word16(10) }
    /// The address that the client has, and at which it responds to ARP.
    @inlinable public var ciaddr: IPv4Address { IPv4Address(loadingFrom: base + 12) }
    /// The address assigned to the client.
    @inlinable public var yiaddr: IPv4Address { IPv4Address(loadingFrom: base + 16) }
    /// The address of the next server of a network boot.
    @inlinable public var siaddr: IPv4Address { IPv4Address(loadingFrom: base + 20) }
    /// The relay agent's address.
    @inlinable public var giaddr: IPv4Address { IPv4Address(loadingFrom: base + 24) }
    /// The client's ethernet address.
    @inlinable public var chaddr: MACAddress { MACAddress(loadingFrom: base + 28) }

    /// The value of the first option with this code.
    public func option(_ wanted: UInt8) -> UnsafeRawBufferPointer? {
        var offset = Self.headerLength
        let end = Self.headerLength + optionsLength
        while offset < end {
            let code = base.byte(offset)
            if code == DHCPOption.pad {
                offset += 1
                continue
            }
            let length = Int(base.byte(offset + 1))
            if code == wanted { return UnsafeRawBufferPointer(start: base + (offset + 2), count: length) }
            offset += 2 + length
        }
        return nil
    }

    /// The value of an option that holds an address.
    public func address(_ code: UInt8) -> IPv4Address? {
        guard let value = option(code), value.count == 4, let base = value.baseAddress else { return nil }
        return IPv4Address(loadingFrom: base)
    }

    /// The type of the message; `nil` in plain BOOTP and for a type that `DHCPMessageType` lacks.
    public var messageType: DHCPMessageType? {
        guard let value = option(DHCPOption.messageType), value.count == 1 else { return nil }
        return DHCPMessageType(rawValue: value[0])
    }

    /// The address that the client requests.
    public var requestedAddress: IPv4Address? { address(DHCPOption.requestedAddress) }

    /// The server that the client has chosen.
    public var serverIdentifier: IPv4Address? { address(DHCPOption.serverIdentifier) }

    /// The host name of the client, if it is UTF-8.
    public var hostName: String? {
        guard let value = option(DHCPOption.hostName) else { return nil }
        return String(validating: value, as: UTF8.self)
    }

    /// Whether the client asked for this option.
    public func requests(_ code: UInt8) -> Bool {
        option(DHCPOption.parameterRequestList)?.contains(code) ?? false
    }
}

/// The fields of a DHCP message that precede its options. They are named as in RFC 2131 §2.
@frozen
public struct DHCPFields: Equatable, Sendable, BitwiseCopyable {
    /// `DHCPMessage.bootRequest` or `DHCPMessage.bootReply`.
    public var op: UInt8
    /// The transaction identifier, which replies repeat.
    public var xid: UInt32
    /// Seconds since the client began to acquire or renew its address.
    public var secs: UInt16
    /// `DHCPMessage.broadcastFlag` or zero.
    public var flags: UInt16
    /// The address that the client has, and at which it responds to ARP.
    public var ciaddr: IPv4Address
    /// The address assigned to the client.
    public var yiaddr: IPv4Address
    /// The address of the next server of a network boot.
    public var siaddr: IPv4Address
    /// The relay agent's address.
    public var giaddr: IPv4Address
    /// The client's ethernet address.
    public var chaddr: MACAddress

    /// Creates the fields; omitted addresses are 0.0.0.0.
    @inlinable
    public init(
        op: UInt8, xid: UInt32, secs: UInt16 = 0, flags: UInt16 = 0, ciaddr: IPv4Address = .unspecified,
        yiaddr: IPv4Address = .unspecified, siaddr: IPv4Address = .unspecified, giaddr: IPv4Address = .unspecified,
        chaddr: MACAddress
    ) {
        self.op = op
        self.xid = xid
        self.secs = secs
        self.flags = flags
        self.ciaddr = ciaddr
        self.yiaddr = yiaddr
        self.siaddr = siaddr
        self.giaddr = giaddr
        self.chaddr = chaddr
    }

    /// Writes 240 bytes, including the magic cookie; options follow them.
    public func write(to target: UnsafeMutableRawPointer) {
        target.initializeMemory(as: UInt8.self, repeating: 0, count: DHCPMessage.headerLength)
        target.store8(op, 0)
        target.store16(0x0106, 1)
        target.store32(xid, 4)
        target.store16(secs, 8)
        target.store16(flags, 10)
        ciaddr.store(to: target + 12)
        yiaddr.store(to: target + 16)
        siaddr.store(to: target + 20)
        giaddr.store(to: target + 24)
        chaddr.store(to: target + 28)
        target.store32(DHCPMessage.magicCookie, 236)
    }
}

/// The type of a DHCP message (RFC 2132 §9.6).
@frozen
public enum DHCPMessageType: UInt8, Sendable, BitwiseCopyable {
    /// A client looks for servers.
    case discover = 1
    /// A server offers an address.
    case offer
    /// A client asks for an address, or to keep it.
    case request
    /// A client found the address in use.
    case decline
    /// A server confirms an address.
    case ack
    /// A server refuses an address.
    case nak
    /// The client releases the address.
    case release
    /// A client with an address requests the other options.
    case inform
}
