internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem

/// Properties of a guest's SYN that the host socket's connect should have, too.
struct ConnectManner: BitwiseCopyable {
    /// Ports below this are privileged: some servers take them as a sign that the client runs as root.
    static var firstOrdinaryPort: UInt16 { 1_024 }

    /// The hop limit of the connect; `nil` for the kernel's default. A router at which it expires sends an ICMP error,
    /// which the kernel puts into the socket's error queue.
    var hopLimit: UInt8?
    /// The traffic class: DSCP in the upper six bits, and zero for the ECN bits.
    var trafficClass: UInt8
    /// The guest's source port. If the port is privileged, the socket is bound to it. Otherwise the kernel chooses one.
    var privilegedPort: UInt16

    init(hopLimit: UInt8?, trafficClass: UInt8, privilegedPort: UInt16) {
        self.hopLimit = hopLimit
        self.trafficClass = trafficClass
        self.privilegedPort = privilegedPort
    }

    /// Sets the properties on a new socket. Default properties need no system call.
    ///
    /// - Returns: false if the connection will use another port than requested, because the port is in use, or binding
    ///   to it is not permitted.
    func apply(to descriptor: Int32, ipv4: Bool) -> Bool {
        if trafficClass != 0 { Self.classify(descriptor, ipv4: ipv4, trafficClass) }
        if let hopLimit {
            Self.set(descriptor, ipv4: ipv4, IP_TTL, IPV6_UNICAST_HOPS, Int32(hopLimit))
            Self.set(descriptor, ipv4: ipv4, IP_RECVERR, IPV6_RECVERR, 1)
        }
        guard privilegedPort > 0, privilegedPort < Self.firstOrdinaryPort else { return true }
        // SO_REUSEADDR is not set, so bind fails if any socket of the host is bound to the port.
        let any = ipv4 ? IPAddress(IPv4Address(rawValue: 0)) : IPAddress(high: 0, low: 0)
        var name = SocketAddress(TransportAddress(address: any, port: privilegedPort))
        let length = name.length
        return withUnsafeMutablePointer(to: &name) {
            HostCalls.bind(descriptor, SocketAddress.pointer(to: $0), length) == 0
        }
    }

    /// The connect has succeeded: restores the default hop limit, and no longer asks for routers' errors.
    static func end(on descriptor: Int32) {
        let ipv4 = SocketAddress.local(of: descriptor)?.address.isIPv4 ?? true
        set(descriptor, ipv4: ipv4, IP_TTL, IPV6_UNICAST_HOPS, -1)
        set(descriptor, ipv4: ipv4, IP_RECVERR, IPV6_RECVERR, 0)
    }

    /// Sets the DSCP of a socket; the kernel keeps the ECN bits.
    static func classify(_ descriptor: Int32, ipv4: Bool, _ trafficClass: UInt8) {
        set(descriptor, ipv4: ipv4, IP_TOS, IPV6_TCLASS, Int32(trafficClass))
    }

    /// The DSCP of an accepted client's SYN, with zero for the ECN bits. The kernel does not report the traffic class
    /// of the client's later segments.
    static func trafficClass(ofClient descriptor: Int32, ipv4: Bool) -> UInt8 {
        UInt8(truncatingIfNeeded: HostCalls.clientTrafficClass(descriptor, ipv4: ipv4)) & 0xFC
    }

    private static func set(_ descriptor: Int32, ipv4: Bool, _ name4: Int32, _ name6: Int32, _ value: Int32) {
        HostCalls.setOption(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? name4 : name6, value)
    }
}
