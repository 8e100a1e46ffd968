internal import CRingway
internal import Glibc
internal import RingwayStorage
internal import RingwaySystem

/// Where the multishot receive of a datagram socket stands.
enum DatagramReceive: UInt8, BitwiseCopyable {
    /// The kernel has none.
    case idle
    case armed
    /// It found no buffer, and is to be armed when one has come back.
    case starved
}

/// The host side of a UDP mapping or a ping: one unconnected socket.
struct DatagramSocket: BitwiseCopyable {
    var descriptor: Int32
    /// The mapping or ping in the stack.
    var flow: Handle
    var isIPv4: Bool
    var receive = DatagramReceive.idle
    /// The shard's raw socket rather than a ping socket of its own: replies come with an IP header, and not here.
    var isRaw = false
    /// The identifier in the echoes sent by a raw socket, in host order.
    var identifier: UInt16 = 0
    /// The kernel refused to cut a train for this socket: the path's MTU is smaller, or its device cannot.
    var cannotSegment = false
    var fragmentation = FragmentationSetting()

    init(descriptor: Int32, flow: Handle, isIPv4: Bool) {
        self.descriptor = descriptor
        self.flow = flow
        self.isIPv4 = isIPv4
    }

    /// A UDP socket that gathers trains of datagrams and reports errors. A negated `errno` when there is none.
    static func openUDP(ipv4: Bool) -> Int32 {
        let descriptor = Endpoint.open(family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { return descriptor }
        HostCalls.setOption(descriptor, Int32(IPPROTO_UDP), UDP_GRO, 1)
        HostCalls.receiveMarks(descriptor, ipv4: ipv4)
        reportErrors(descriptor, ipv4: ipv4)
        return descriptor
    }

    /// A ping socket, where `net.ipv4.ping_group_range` admits us, and a negated `errno` where not.
    static func openPing(ipv4: Bool) -> Int32 {
        let descriptor = Endpoint.open(
            family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_DGRAM.rawValue),
            transport: Int32(ipv4 ? Int(IPPROTO_ICMP) : Int(IPPROTO_ICMPV6)))
        guard descriptor >= 0 else { return descriptor }
        HostCalls.receiveMarks(descriptor, ipv4: ipv4)
        reportErrors(descriptor, ipv4: ipv4)
        return descriptor
    }

    static func reportErrors(_ descriptor: Int32, ipv4: Bool) {
        HostCalls.setOption(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_RECVERR : IPV6_RECVERR, 1)
    }
}
