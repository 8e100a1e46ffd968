internal import CRingway
internal import Glibc

/// Whether the host's kernel and routers may cut what a socket sends (ip(7), IP_MTU_DISCOVER). No control message says so
/// for one datagram, so it is the socket's, and told to the kernel when it changes.
@frozen
public struct FragmentationSetting: Equatable, Sendable, BitwiseCopyable {
    /// Datagrams longer than the path's MTU are refused.
    public private(set) var forbids = false

    public init() {}

    /// What a new socket does: cuts datagrams that do not fit, and forbids routers to cut those that do.
    public mutating func set(_ forbids: Bool, on descriptor: Int32, ipv4: Bool) {
        self.forbids = forbids
        _ = ringway_set_option(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
            forbids ? IP_PMTUDISC_DO : IP_PMTUDISC_WANT)
    }
}
