internal import CRingway
internal import Glibc
internal import RingwayStorage
internal import RingwaySystem

/// The state of a datagram socket's multishot receive.
enum DatagramReceive: UInt8, BitwiseCopyable {
    /// No receive is in flight.
    case idle
    case armed
    /// The receive found no buffer; it is armed again when there are buffers.
    case starved
}

/// The unconnected host socket of a UDP mapping or a ping.
struct DatagramSocket: BitwiseCopyable {
    var descriptor: Int32
    /// The mapping or ping in the stack.
    var flow: Handle
    var isIPv4: Bool
    var receive = DatagramReceive.idle
    /// Whether the ping uses the raw socket that it shares with other pings (`RawEchoSocket`), which receives the
    /// replies.
    var isRaw = false
    /// The identifier of echo requests that are sent by a raw socket, in host byte order.
    var identifier: UInt16 = 0
    /// Whether the kernel has refused to segment a message of several datagrams (UDP_SEGMENT) for this socket,
    /// because a datagram exceeded the path MTU or the device lacks checksum offload.
    var cannotSegment = false
    var fragmentation = FragmentationSetting()
    var marksReport = MarksReport()
    /// Links of the list of sockets whose receive is `starved`.
    var starvedLinks = SlotLinks()

    init(descriptor: Int32, flow: Handle, isIPv4: Bool) {
        self.descriptor = descriptor
        self.flow = flow
        self.isIPv4 = isIPv4
    }

    /// Opens a UDP socket with GRO that reports header fields and errors; a negated `errno` on failure.
    static func openUDP(ipv4: Bool) -> Int32 {
        let descriptor = Endpoint.open(family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { return descriptor }
        HostCalls.setOption(descriptor, Int32(IPPROTO_UDP), UDP_GRO, 1)
        HostCalls.receiveMarks(descriptor, ipv4: ipv4)
        reportErrors(descriptor, ipv4: ipv4)
        return descriptor
    }

    /// Opens a ping socket; a negated `errno` on failure, for example if `net.ipv4.ping_group_range` forbids it.
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
