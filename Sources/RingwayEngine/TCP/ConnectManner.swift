internal import CRingway
internal import Glibc
internal import RingwaySystem
internal import RingwayWire

/// What a guest's SYN says about the way that its connection is to take, as far as a host socket can follow.
struct ConnectManner: BitwiseCopyable {
    /// Ports below this are a server's sign that its client was started by root.
    static var firstOrdinaryPort: UInt16 { 1_024 }

    /// Hops that the connect may take; `nil` for as many as the host's kernel gives by itself. Routers on the way then
    /// answer into the socket's queue of errors.
    var hopLimit: UInt8?
    /// Differentiated services in place, without ECN.
    var trafficClass: UInt8
    /// The port to connect from if it is privileged; zero, or an ordinary one, leaves the choice to the kernel.
    var privilegedPort: UInt16

    init(hopLimit: UInt8?, trafficClass: UInt8, privilegedPort: UInt16) {
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.privilegedPort = privilegedPort
    }

    /// Prepares a fresh socket. The usual connect has nothing to prepare and costs no system call.
    ///
    /// - Returns: false when the connection will come from another port than was wanted: the host may not have it, or has
    ///   a use for it.
    func apply(to descriptor: Int32, ipv4: Bool) -> Bool {
        if trafficClass != 0 { Self.classify(descriptor, ipv4: ipv4, trafficClass) }
        if let hopLimit {
            Self.set(descriptor, ipv4: ipv4, IP_TTL, IPV6_UNICAST_HOPS, Int32(hopLimit))
            Self.set(descriptor, ipv4: ipv4, IP_RECVERR, IPV6_RECVERR, 1)
        }
        guard privilegedPort > 0, privilegedPort < Self.firstOrdinaryPort else { return true }
        // Without SO_REUSEADDR: no port is taken that any socket of the host is bound to.
        let any = ipv4 ? IPAddress(IPv4Address(rawValue: 0)) : IPAddress(high: 0, low: 0)
        var name = SocketAddress(TransportAddress(address: any, port: privilegedPort))
        let length = name.length
        return withUnsafeMutablePointer(to: &name) {
            HostCalls.bind(descriptor, SocketAddress.pointer(to: $0), length) == 0
        }
    }

    /// The connect has come through: from now on its segments go as far as any, and what routers say is for the kernel.
    static func end(on descriptor: Int32) {
        let ipv4 = SocketAddress.local(of: descriptor)?.address.isIPv4 ?? true
        set(descriptor, ipv4: ipv4, IP_TTL, IPV6_UNICAST_HOPS, -1)
        set(descriptor, ipv4: ipv4, IP_RECVERR, IPV6_RECVERR, 0)
    }

    /// Has a socket send with a class from now on; the kernel keeps the bits of ECN to itself.
    static func classify(_ descriptor: Int32, ipv4: Bool, _ trafficClass: UInt8) {
        set(descriptor, ipv4: ipv4, IP_TOS, IPV6_TCLASS, Int32(trafficClass))
    }

    /// The class with which an accepted client opened its connection, without ECN: all that the kernel tells of a stream.
    static func trafficClass(ofClient descriptor: Int32, ipv4: Bool) -> UInt8 {
        UInt8(truncatingIfNeeded: HostCalls.clientTrafficClass(descriptor, ipv4: ipv4)) & 0xFC
    }

    private static func set(_ descriptor: Int32, ipv4: Bool, _ name4: Int32, _ name6: Int32, _ value: Int32) {
        HostCalls.setOption(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? name4 : name6, value)
    }
}
