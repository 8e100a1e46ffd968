internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A listening socket on the agents' loop.
class AcceptingMember: HostMember {
    /// The most connections accepted per turn, so that other members get their turn.
    private static var acceptsPerTurn: Int { 256 }
    /// Nanoseconds until accepting is retried after an error, such as a lack of descriptors.
    private static var retryInterval: UInt64 { 250_000_000 }

    /// Called with each accepted connection, a non-blocking socket that the callee owns.
    func accepted(_ connection: Int32) {}

    override final func ready(_ events: EventLoop.Events) {
        for _ in 0..<Self.acceptsPerTurn where descriptor >= 0 {
            let connection = ringway_accept_stream(descriptor, true)
            guard connection >= 0 else {
                switch errno {
                case EINTR, ECONNABORTED: continue
                case EAGAIN: return
                // The socket no longer listens; epoll would report this in every turn until the socket is closed.
                case EINVAL: host?.loop.deregister(self)
                default: pause()
                }
                return
            }
            accepted(connection)
        }
    }

    /// Stops accepting for a while after an error such as EMFILE. Meanwhile clients wait in the kernel's listen
    /// queue.
    private func pause() {
        guard let host else { return }
        host.loop.setInterest([], of: self)
        host.loop.schedule(self, at: host.loop.now + Self.retryInterval)
    }

    override final func deadlinePassed(now: UInt64) { host?.loop.setInterest(.read, of: self) }
}
