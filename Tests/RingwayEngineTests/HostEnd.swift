import CRingway
import Glibc
import Testing

/// A plain socket of the host's loopback, for what the guest speaks to.
final class HostEnd {
    let descriptor: Int32
    let port: UInt16

    /// Bound to a free port of 127.0.0.1; a stream listens.
    init(_ type: __socket_type) {
        descriptor = socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let result = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        precondition(result == 0)
        port = UInt16(bigEndian: address.sin_port)
        HostEnd.limitWaiting(descriptor)
        if type == SOCK_STREAM { listen(descriptor, 16) }
    }

    deinit { close(descriptor) }

    /// A port of 127.0.0.1 that is free and stays so: below those that the kernel gives to whoever asks for any, as tests
    /// do that run at the same time.
    static func freePort() -> UInt16 {
        while true {
            let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
            defer { close(probe) }
            let port = UInt16.random(in: 10_000..<32_000)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            let result = withUnsafePointer(to: &address) { address in
                address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(probe, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if result == 0 { return port }
        }
    }

    /// A client of a port of 127.0.0.1.
    static func connect(to port: UInt16) throws -> Int32 {
        let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let result = withUnsafePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(client, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(result == 0)
        return client
    }

    /// No receive or accept waits longer than half a minute.
    static func limitWaiting(_ descriptor: Int32) {
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// The next client, or -1.
    func accept() -> Int32 {
        while true {
            let client = Glibc.accept(descriptor, nil, nil)
            if client >= 0 { HostEnd.limitWaiting(client) }
            if client >= 0 || errno != EINTR { return client }
        }
    }

    /// What comes next, or the `errno`.
    static func receive(_ descriptor: Int32) -> (bytes: [UInt8], errno: Int32) {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count >= 0 { return (Array(bytes.prefix(count)), 0) }
            if errno != EINTR { return ([], errno) }
        }
    }

    /// Sends back one datagram to whom it came from.
    func echoDatagram() -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        var sender = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let descriptor = descriptor
        return withUnsafeMutablePointer(to: &sender) { sender in
            sender.withMemoryRebound(to: sockaddr.self, capacity: 1) { sender in
                var count = -1
                repeat {
                    count = recvfrom(descriptor, &bytes, bytes.count, 0, sender, &length)
                } while count < 0
                    && errno == EINTR
                guard count >= 0 else { return [] }
                sendto(descriptor, bytes, count, 0, sender, length)
                return Array(bytes.prefix(count))
            }
        }
    }
}
