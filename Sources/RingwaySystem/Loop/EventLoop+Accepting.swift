internal import CRingway
internal import Glibc

extension EventLoop {
    /// Nanoseconds until accepting is retried after an error, such as a lack of descriptors.
    private static var acceptRetryInterval: UInt64 { 250_000_000 }

    /// Accepts one connection from the listening socket of a member.
    ///
    /// After an error such as EMFILE the member stops accepting for a while, because the loop would report the socket
    /// in every turn. Meanwhile clients wait in the kernel's listen queue. When its deadline passes, the member must
    /// call `acceptAgain`.
    ///
    /// - Returns: a non-blocking socket that the caller owns; -1 if none waits or accepting has failed.
    public func accept(for member: LoopMember) -> Int32 {
        guard let registration = member.registration else { return -1 }
        while true {
            let connection = ringway_accept_stream(registration.descriptor, true)
            guard connection < 0 else { return connection }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EAGAIN: return -1
            // The socket no longer listens; epoll would report this in every turn until the socket is closed.
            case EINVAL: deregister(member)
            default:
                setInterest([], of: member)
                schedule(member, at: MonotonicClock.now() + Self.acceptRetryInterval)
            }
            return -1
        }
    }

    /// Ends the pause after a failed `accept`.
    public func acceptAgain(_ member: LoopMember) { setInterest(.read, of: member) }
}
