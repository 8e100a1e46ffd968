internal import CRingway
internal import Glibc
internal import RingwaySystem

/// What the host's kernel knows of a TCP socket's peer (TCP_INFO), and a way to make the kernel probe the peer.
struct PeerInspection: BitwiseCopyable {
    /// The state of the peer. Times are in nanoseconds.
    struct Peer: Sendable {
        /// Time since the peer's last segment.
        var silence: UInt64
        /// The peer has acknowledged everything that the socket accepted.
        var isDelivered: Bool
        /// Data is in flight to the peer.
        var isUnderWay: Bool
        /// The kernel is retransmitting, or has probed more than once, without a reply so far.
        var isRepeating: Bool
        var timeout: UInt64
        var roundTrip: UInt64
    }

    /// The original TCP_KEEPIDLE in seconds, and TCP_KEEPCNT, while both options are changed to probe the peer at once.
    /// At other times `usualIdle` is zero.
    private var usualIdle: Int32 = 0
    private var usualCount: UInt8 = 0

    init() {}

    /// Reads what the kernel knows of the peer.
    ///
    /// - Parameter solicits: whether the kernel is to probe the peer now, if the peer has been silent for `limit`
    ///   nanoseconds.
    mutating func inspect(_ descriptor: Int32, solicits: Bool, beyond limit: UInt64) -> Peer {
        var information = ringway_peer()
        guard HostCalls.readPeer(descriptor, &information) == 0 else {
            return Peer(
                silence: 0, isDelivered: true, isUnderWay: false, isRepeating: false, timeout: 0, roundTrip: 0)
        }
        let silence = UInt64(information.silence_milliseconds) &* 1_000_000
        if silence < limit {
            rest(descriptor)
        } else if solicits {
            solicit(descriptor)
        }
        return Peer(
            silence: silence, isDelivered: information.unacknowledged == 0 && information.unsent == 0,
            isUnderWay: information.unacknowledged > 0,
            // One unanswered probe is normal: its reply may still be on the way.
            isRepeating: information.retransmissions > 0 || information.probes > 1,
            timeout: UInt64(information.timeout_microseconds) &* 1_000,
            roundTrip: UInt64(information.round_trip_microseconds) &* 1_000)
    }

    /// Sets a keepalive time that has already passed, so that the kernel probes at once. The number of probes is as
    /// high as the kernel permits, because the guest decides when to abort.
    private mutating func solicit(_ descriptor: Int32) {
        if usualIdle == 0 {
            usualIdle = max(1, HostCalls.option(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE))
            usualCount = UInt8(clamping: max(1, HostCalls.option(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT)))
            HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 127)
        }
        HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 1)
    }

    /// The peer is no longer silent: restores the kernel's keepalive time and number of probes.
    private mutating func rest(_ descriptor: Int32) {
        guard usualIdle > 0 else { return }
        HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, usualIdle)
        HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, Int32(usualCount))
        usualIdle = 0
    }
}
