internal import CRingway
internal import Glibc
internal import RingwayReactor
internal import RingwayRing
internal import RingwaySystem

/// Whether the host's kernel and routers may cut what a socket sends (ip(7), IP_MTU_DISCOVER). No control message says so
/// for one datagram, so it is the socket's, and told to the kernel when it changes.
struct FragmentationSetting: Equatable, Sendable, BitwiseCopyable {
    /// Datagrams longer than the path's MTU are refused.
    private(set) var forbids = false

    init() {}

    /// What a new socket does: cuts datagrams that do not fit, and forbids routers to cut those that do.
    mutating func set(_ forbids: Bool, on descriptor: Int32, ipv4: Bool) {
        self.forbids = forbids
        HostCalls.setOption(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
            forbids ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT)
    }

    /// Has a socket refuse what does not fit its path, or fragment it, as the guest asks. What was prepared before goes out
    /// first, as it was asked for.
    @inline(__always)
    mutating func forbid(_ wanted: Bool, on descriptor: Int32, ipv4: Bool, _ core: inout ShardCore) {
        guard forbids != wanted else { return }
        core.reactor.ring.submitAll()
        set(wanted, on: descriptor, ipv4: ipv4)
    }
}
