internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A raw ICMP socket for all pings of one address family that a guest has on a shard.
struct RawEchoSocket: BitwiseCopyable {
    /// -1 if closed.
    private(set) var descriptor: Int32 = -1
    /// Distinguishes this socket's receive from that of an earlier raw socket, which may still complete.
    private(set) var generation: UInt16 = 0
    /// The number of pings that use the socket.
    var users = 0
    var receive = DatagramReceive.idle
    var fragmentation = FragmentationSetting()

    init() {}

    /// Opens the socket; false if that fails, for example for lack of CAP_NET_RAW.
    mutating func open(ipv4: Bool, _ identifiers: EchoIdentifiers) -> Bool {
        let opened = Endpoint.open(
            family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_RAW.rawValue),
            transport: Int32(ipv4 ? Int(IPPROTO_ICMP) : Int(IPPROTO_ICMPV6)))
        guard opened >= 0 else { return false }
        // If the kernel refuses the filter, the socket receives all replies and `PingSockets` discards those of other
        // pings, at a higher cost.
        HostCalls.passEchoReplies(opened, ipv4: ipv4, identifiers.first, mask: identifiers.mask)
        HostCalls.receiveMarks(opened, ipv4: ipv4)
        DatagramSocket.reportErrors(opened, ipv4: ipv4)
        descriptor = opened
        return true
    }

    /// Returns the descriptor, which the caller closes, and marks the socket as closed.
    mutating func relinquish() -> Int32 {
        defer {
            let next = generation &+ 1
            self = RawEchoSocket()
            generation = next
        }
        return descriptor
    }
}
