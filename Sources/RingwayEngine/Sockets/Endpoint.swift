internal import CRingway
internal import Glibc
internal import RingwaySystem

/// The host side of a flow: a kernel socket. What stream, datagram and ping sockets have in common.
enum Endpoint {
    /// A non-blocking socket that no child inherits, or a negated `errno`.
    static func open(family: Int32, type: Int32, transport: Int32 = 0) -> Int32 {
        let descriptor = HostCalls.socket(
            family, type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), transport)
        return descriptor >= 0 ? descriptor : -errno
    }

    /// Closes the descriptor now; `reset` makes the peer of a stream see RST in place of FIN.
    static func close(_ descriptor: Int32, reset: Bool) {
        if reset { HostCalls.lingerZero(descriptor) }
        HostCalls.close(descriptor)
    }

    /// Two connected unix sockets of `type`, or `nil` when no descriptor is left.
    static func pair(type: Int32) -> (own: Int32, other: Int32)? {
        HostCalls.pair(type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue))
    }
}
