internal import CRingway
internal import Glibc
internal import RingwaySystem

/// Opening and closing of host sockets, in the same way for stream, datagram, ping and raw sockets.
enum Endpoint {
    /// Opens a non-blocking, close-on-exec socket. Returns its descriptor, or a negated `errno`.
    static func open(family: Int32, type: Int32, transport: Int32 = 0) -> Int32 {
        let descriptor = HostCalls.socket(
            family, type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), transport)
        return descriptor >= 0 ? descriptor : -errno
    }

    /// Closes the descriptor now; with `reset` a stream's peer sees RST instead of FIN.
    static func close(_ descriptor: Int32, reset: Bool) {
        if reset { HostCalls.lingerZero(descriptor) }
        HostCalls.close(descriptor)
    }

    /// Opens two connected unix sockets of `type`; `nil` on failure, for example if no descriptor is free.
    static func pair(type: Int32) -> (own: Int32, other: Int32)? {
        HostCalls.pair(type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue))
    }
}
