internal import CRingway
internal import Glibc
internal import RingwaySystem

/// What the host's kernel knows about the far end of a TCP socket, and a way to have that say something.
struct PeerInspection: BitwiseCopyable {
    /// Times in nanoseconds.
    struct Peer: Sendable {
        /// Since when nothing was heard of it.
        var silence: UInt64
        /// It has acknowledged everything that the socket took.
        var isDelivered: Bool
        /// Something is on its way there.
        var isUnderWay: Bool
        /// The kernel sends again, or probes, and has no answer yet.
        var isRepeating: Bool
        var timeout: UInt64
        var roundTrip: UInt64
    }

    /// Seconds of silence after which the kernel probes by itself, as it was before we had it probe at once; zero while it
    /// is that.
    private var usualIdle: Int32 = 0

    init() {}

    /// - Parameters:
    ///   - solicits: the kernel probes the far end now, if nothing was heard of it for `limit` nanoseconds.
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
            // A probe that has no answer yet is usual.
            isRepeating: information.retransmissions > 0 || information.probes > 1,
            timeout: UInt64(information.timeout_microseconds) &* 1_000,
            roundTrip: UInt64(information.round_trip_microseconds) &* 1_000)
    }

    /// A keepalive time that has passed already makes the kernel probe at once. It is not to give the connection up for
    /// that, however often it is asked to: the guest decides.
    private mutating func solicit(_ descriptor: Int32) {
        if usualIdle == 0 {
            usualIdle = max(1, HostCalls.option(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE))
            HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPCNT, 127)
        }
        HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, 1)
    }

    /// The far end has answered: the kernel goes back to its own time.
    private mutating func rest(_ descriptor: Int32) {
        guard usualIdle > 0 else { return }
        HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_KEEPIDLE, usualIdle)
        usualIdle = 0
    }
}
