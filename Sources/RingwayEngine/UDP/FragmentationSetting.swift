internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwaySystem

/// Whether the host's kernel and routers may fragment a socket's datagrams (ip(7), IP_MTU_DISCOVER). No control message
/// can set this for one datagram, so the option is set on the socket whenever the next datagram needs the other
/// setting.
struct FragmentationSetting: Equatable, Sendable, BitwiseCopyable {
    /// Whether datagrams longer than the path MTU are refused.
    private(set) var forbids = false

    init() {}

    /// Sets the socket option. Without `forbids`, as on a new socket, the kernel fragments datagrams above the path
    /// MTU, and sets DF on others.
    mutating func set(_ forbids: Bool, on descriptor: Int32, ipv4: Bool) {
        self.forbids = forbids
        HostCalls.setOption(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
            forbids ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT)
    }

    /// Makes a socket refuse or fragment datagrams above the path MTU, as the DF of the guest's next datagram demands.
    /// Datagrams that were queued before are submitted first, under the old setting.
    @inline(__always)
    mutating func forbid(_ wanted: Bool, on descriptor: Int32, ipv4: Bool, _ core: inout ShardCore) {
        guard forbids != wanted else { return }
        core.reactor.ring.submitAll()
        set(wanted, on: descriptor, ipv4: ipv4)
    }
}
