public import RingwayModel

/// The host's reply to an accepted hello.
///
///      0       2       4       6    7    8      24     25            41
///     +-------+-------+-------+----+----+------+------+-------------+- ...
///     |version|  MTU  |streams|what|qs. | IPv4 and its  | gateway     |
///     +-------+-------+-------+----+----+------+------+-------------+- ...
///
/// The bytes from 8 to 41 are the guest's IPv4 address, its prefix length and the IPv4 gateway. The same fields for
/// IPv6 follow (16 + 1 + 16), then the number of name servers (1) and their addresses (16 each). Addresses are
/// sixteen bytes in network order; IPv4 addresses are IPv4-mapped. In "what", bit 0 says that MTU and addresses are
/// valid, and bit 1 that the host wants reports of listening ports. The host uses the first "qs." queues of those
/// that the agent offered, or all if "qs." is zero. In a welcome on any channel but the control channel, everything
/// except the version is zero.
public struct Welcome: Hashable, Sendable {
    /// The number of idle streams that the agent keeps connected ahead of dial requests.
    public var readyStreams: UInt16
    /// Whether the host wants reports of listening ports.
    public var wantsPorts: Bool
    /// The number of offered queues that the host uses, from the first one on; zero if it uses all.
    public var queues: UInt8
    /// The guest's addresses; `nil` for an agent without frame channels, and on channels other than the control
    /// channel.
    public var network: GuestNetwork?

    /// A welcome for a control channel; without arguments, a welcome for any other channel.
    public init(readyStreams: UInt16 = 0, wantsPorts: Bool = false, queues: UInt8 = 0, network: GuestNetwork? = nil) {
        self.readyStreams = readyStreams
        self.wantsPorts = wantsPorts
        self.queues = queues
        self.network = network
    }

    /// The most name servers in a welcome.
    static var maximumNameServers: Int { 8 }

    func write(_ writer: inout ByteWriter) {
        writer.append(AgentProtocol.version)
        writer.append(network?.mtu ?? 0)
        writer.append(readyStreams)
        writer.append((network == nil ? UInt8(0) : 1) | (wantsPorts ? 2 : 0))
        writer.append(queues)
        let unspecified = IPAddress(high: 0, low: 0)
        writer.append(network?.ipv4.address ?? unspecified)
        writer.append(UInt8(network?.ipv4.prefixLength ?? 0))
        writer.append(network.map { IPAddress($0.ipv4Gateway) } ?? unspecified)
        writer.append(network?.ipv6.address ?? unspecified)
        writer.append(UInt8(network?.ipv6.prefixLength ?? 0))
        writer.append(network.map { IPAddress($0.ipv6Gateway) } ?? unspecified)
        let servers = network?.nameServers.prefix(Self.maximumNameServers) ?? []
        writer.append(UInt8(servers.count))
        for server in servers { writer.append(server) }
    }

    init(_ reader: inout ByteReader) throws(AgentProtocolFailure) {
        guard try reader.integer(UInt16.self) == AgentProtocol.version else { throw .invalidValue }
        let mtu: UInt16 = try reader.integer()
        readyStreams = try reader.integer()
        let what: UInt8 = try reader.integer()
        guard what & ~3 == 0 else { throw .invalidValue }
        wantsPorts = what & 2 != 0
        queues = try reader.integer()
        let ipv4 = (try reader.address(), Int(try reader.integer(UInt8.self)), try reader.address())
        let ipv6 = (try reader.address(), Int(try reader.integer(UInt8.self)), try reader.address())
        let count = Int(try reader.integer(UInt8.self))
        guard count <= Self.maximumNameServers else { throw .tooLong }
        var servers: [IPAddress] = []
        for _ in 0..<count { servers.append(try reader.address()) }
        try reader.finish()
        guard what & 1 != 0 else {
            network = nil
            return
        }
        guard mtu >= 68, ipv4.0.isIPv4, ipv4.2.isIPv4, !ipv6.0.isIPv4, !ipv6.2.isIPv4,
            let block4 = CIDRBlock(address: ipv4.0, prefixLength: ipv4.1),
            let block6 = CIDRBlock(address: ipv6.0, prefixLength: ipv6.1)
        else { throw .invalidValue }
        network = GuestNetwork(
            mtu: mtu, ipv4: block4, ipv4Gateway: ipv4.2.ipv4, ipv6: block6, ipv6Gateway: ipv6.2.ipv6,
            nameServers: servers)
    }
}

/// The configuration that an agent gives its guest's interface, in place of DHCP.
public struct GuestNetwork: Hashable, Sendable {
    /// The length of the largest IP packet, in bytes.
    public var mtu: UInt16
    /// The interface's address and its network's prefix length.
    public var ipv4: CIDRBlock
    public var ipv4Gateway: IPv4Address
    public var ipv6: CIDRBlock
    public var ipv6Gateway: IPv6Address
    public var nameServers: [IPAddress]

    /// A configuration with these values.
    public init(
        mtu: UInt16, ipv4: CIDRBlock, ipv4Gateway: IPv4Address, ipv6: CIDRBlock, ipv6Gateway: IPv6Address,
        nameServers: [IPAddress]
    ) {
        self.mtu = mtu
        self.ipv4 = ipv4
        self.ipv4Gateway = ipv4Gateway
        self.ipv6 = ipv6
        self.ipv6Gateway = ipv6Gateway
        self.nameServers = nameServers
    }
}
