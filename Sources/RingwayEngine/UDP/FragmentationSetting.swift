internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwaySystem

/// Whether the host's kernel and routers may fragment a socket's datagrams (ip(7), IP_MTU_DISCOVER). It cannot be set
/// per datagram by a control message, so it is set on the socket when it changes.
struct FragmentationSetting: Equatable, Sendable, BitwiseCopyable {
    /// Datagrams longer than the path MTU are refused.
    private(set) var forbids = false

    init() {}

    /// The default of a new socket: the kernel fragments datagrams above the path MTU, and sets DF on others.
    mutating func set(_ forbids: Bool, on descriptor: Int32, ipv4: Bool) {
        self.forbids = forbids
        HostCalls.setOption(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
            forbids ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT)
    }

    /// Sets whether a socket refuses or fragments datagrams above the path MTU, as the guest's DF demands. Datagrams
    /// prepared before are submitted first.
    @inline(__always)
    mutating func forbid(_ wanted: Bool, on descriptor: Int32, ipv4: Bool, _ core: inout ShardCore) {
        guard forbids != wanted else { return }
        core.reactor.ring.submitAll()
        set(wanted, on: descriptor, ipv4: ipv4)
    }
}
