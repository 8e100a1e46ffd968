internal import CRingway
internal import Glibc

/// Common to stream, datagram and ping sockets of the host.
enum Endpoint {
    /// A non-blocking, close-on-exec socket, or a negated `errno`.
    static func open(family: Int32, type: Int32, transport: Int32 = 0) -> Int32 {
        let descriptor = socket(
            family, type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), transport)
        return descriptor >= 0 ? descriptor : -errno
    }

    /// Closes the descriptor now; with `reset` a stream's peer sees RST instead of FIN.
    static func close(_ descriptor: Int32, reset: Bool) {
        if reset { _ = ringway_linger_zero(descriptor) }
        Glibc.close(descriptor)
    }

    /// Two connected unix sockets of `type`, or `nil` without free descriptors.
    static func pair(type: Int32) -> (own: Int32, other: Int32)? {
        var pair: (Int32, Int32) = (-1, -1)
        let flags = type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let result = withUnsafeMutableBytes(of: &pair) { bytes in
            socketpair(AF_UNIX, flags, 0, bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        return result == 0 ? pair : nil
    }
}
