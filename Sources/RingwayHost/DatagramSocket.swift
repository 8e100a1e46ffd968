internal import CRingway
internal import Glibc
public import RingwayStorage

/// The host side of a UDP mapping or a ping: one unconnected socket.
@frozen
public struct DatagramSocket: BitwiseCopyable {
    public var descriptor: Int32
    /// The mapping or ping in the stack.
    public var flow: Handle
    public var isReceiving = false
    public var isIPv4: Bool
    /// A raw socket rather than a ping socket: replies come with an IP header and for every identifier.
    public var isRaw = false
    /// The identifier in the echoes sent, in host order.
    public var identifier: UInt16 = 0
    public var isStarved = false
    /// The kernel refused to cut a train for this socket: the path's MTU is smaller, or its device cannot.
    public var cannotSegment = false
    public var fragmentation = FragmentationSetting()

    public init(descriptor: Int32, flow: Handle, isIPv4: Bool) {
        self.descriptor = descriptor
        self.flow = flow
        self.isIPv4 = isIPv4
    }

    /// A UDP socket that gathers trains of datagrams and reports errors. A negated `errno` when there is none.
    public static func openUDP(ipv4: Bool) -> Int32 {
        let descriptor = Endpoint.open(family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { return descriptor }
        _ = ringway_set_option(descriptor, Int32(IPPROTO_UDP), UDP_GRO, 1)
        ringway_receive_marks(descriptor, ipv4)
        reportErrors(descriptor, ipv4: ipv4)
        return descriptor
    }

    /// A socket for echo requests: a ping socket where `net.ipv4.ping_group_range` admits us, a raw one where we may,
    /// and a negated `errno` where neither is allowed.
    public static func openPing(ipv4: Bool, identifier: UInt16) -> (descriptor: Int32, isRaw: Bool) {
        let family = ipv4 ? AF_INET : AF_INET6
        let transport = Int32(ipv4 ? Int(IPPROTO_ICMP) : Int(IPPROTO_ICMPV6))
        var descriptor = Endpoint.open(family: family, type: Int32(SOCK_DGRAM.rawValue), transport: transport)
        var isRaw = false
        if descriptor == -EACCES || descriptor == -EPERM {
            descriptor = Endpoint.open(family: family, type: Int32(SOCK_RAW.rawValue), transport: transport)
            isRaw = true
            if descriptor >= 0 { _ = ringway_filter_icmp_echo_reply(descriptor, ipv4) }
        }
        guard descriptor >= 0 else { return (descriptor, false) }
        ringway_receive_marks(descriptor, ipv4)
        reportErrors(descriptor, ipv4: ipv4)
        return (descriptor, isRaw)
    }

    static func reportErrors(_ descriptor: Int32, ipv4: Bool) {
        _ = ringway_set_option(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_RECVERR : IPV6_RECVERR, 1)
    }
}
