internal import CRingway
internal import Glibc
internal import RingwaySystem

/// One raw socket for all of a shard's pings of a family.
struct RawEchoSocket: BitwiseCopyable {
    /// -1 while there is none.
    private(set) var descriptor: Int32 = -1
    /// Tells this socket's receive from a former one's.
    private(set) var generation: UInt16 = 0
    /// Pings that use it.
    var users = 0
    var receive = DatagramReceive.idle
    var fragmentation = FragmentationSetting()

    init() {}

    /// Opens the socket where that is allowed.
    mutating func open(ipv4: Bool, _ identifiers: EchoIdentifiers) -> Bool {
        let opened = Endpoint.open(
            family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_RAW.rawValue),
            transport: Int32(ipv4 ? Int(IPPROTO_ICMP) : Int(IPPROTO_ICMPV6)))
        guard opened >= 0 else { return false }
        HostCalls.passEchoReplies(opened, ipv4: ipv4, identifiers.first, mask: identifiers.mask)
        HostCalls.receiveMarks(opened, ipv4: ipv4)
        DatagramSocket.reportErrors(opened, ipv4: ipv4)
        descriptor = opened
        return true
    }

    /// Forgets the socket; the caller closes it.
    mutating func relinquish() -> Int32 {
        defer {
            let next = generation &+ 1
            self = RawEchoSocket()
            generation = next
        }
        return descriptor
    }
}
