/// The meaning of a DHCP message before its options. Fields are named as in RFC 2131 §2.
@frozen
public struct DHCPFields: Equatable, Sendable, BitwiseCopyable {
    /// `DHCPMessage.bootRequest` or `DHCPMessage.bootReply`.
    public var op: UInt8
    /// What answers repeat.
    public var xid: UInt32
    /// Seconds since the client began.
    public var secs: UInt16
    /// `DHCPMessage.broadcastFlag` or zero.
    public var flags: UInt16
    /// The address the client has and answers on.
    public var ciaddr: IPv4Address
    /// The address the client gets.
    public var yiaddr: IPv4Address
    /// The next server of a network boot.
    public var siaddr: IPv4Address
    /// The relay agent.
    public var giaddr: IPv4Address
    /// The client's ethernet address.
    public var chaddr: MACAddress

    /// The fields; addresses that are not given are unspecified.
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

    /// Writes 240 octets, the magic cookie included; options follow them.
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
