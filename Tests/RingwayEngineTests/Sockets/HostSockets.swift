import CRingway
import Glibc
import RingwayWire

@testable import RingwayEngine

/// Plain sockets for the far side of what is tested.
enum HostSockets {
    static let loopbackIPv4 = IPAddress(IPv4Address(127, 0, 0, 1))
    static let loopbackIPv6 = IPAddress(high: 0, low: 1)

    static func loopback(_ ipv4: Bool) -> IPAddress { ipv4 ? loopbackIPv4 : loopbackIPv6 }

    /// A blocking socket that gives up a receive after two seconds.
    static func open(_ type: __socket_type, ipv4: Bool) -> Int32 {
        let descriptor = socket(ipv4 ? AF_INET : AF_INET6, Int32(type.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: 2, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return descriptor
    }

    /// Zero, or the `errno`.
    static func connect(_ descriptor: Int32, to target: TransportAddress) -> Int32 {
        var name = SocketAddress(target)
        let length = name.length
        let result = withUnsafeMutablePointer(to: &name) {
            Glibc.connect(descriptor, SocketAddress.pointer(to: $0), length)
        }
        return result == 0 ? 0 : errno
    }

    /// Zero, or the `errno`.
    static func bind(_ descriptor: Int32, to address: TransportAddress) -> Int32 {
        var name = SocketAddress(address)
        let length = name.length
        let result = withUnsafeMutablePointer(to: &name) {
            Glibc.bind(descriptor, SocketAddress.pointer(to: $0), length)
        }
        return result == 0 ? 0 : errno
    }

    static func connected(_ type: __socket_type, to target: TransportAddress) -> Int32 {
        let descriptor = open(type, ipv4: target.address.isIPv4)
        let error = connect(descriptor, to: target)
        precondition(error == 0, "no connection to \(target): \(error)")
        return descriptor
    }

    /// A socket on a free port of the loopback.
    static func bound(_ type: __socket_type, ipv4: Bool = true) -> (descriptor: Int32, address: TransportAddress) {
        let descriptor = open(type, ipv4: ipv4)
        let error = bind(descriptor, to: TransportAddress(address: loopback(ipv4), port: 0))
        guard error == 0, let address = SocketAddress.local(of: descriptor) else {
            preconditionFailure("no free port on the loopback: \(error)")
        }
        return (descriptor, address)
    }

    /// A port on which nothing listens, of either transport and family.
    static func freePort() -> UInt16 {
        for _ in 0..<100 {
            let first = bound(SOCK_STREAM)
            let probes: [(__socket_type, Bool)] = [(SOCK_DGRAM, true), (SOCK_DGRAM, false), (SOCK_STREAM, false)]
            let isFree = probes.allSatisfy { type, ipv4 in
                let probe = open(type, ipv4: ipv4)
                defer { close(probe) }
                return bind(probe, to: TransportAddress(address: loopback(ipv4), port: first.address.port)) == 0
            }
            close(first.descriptor)
            if isFree { return first.address.port }
        }
        preconditionFailure("no port is free")
    }

    @discardableResult
    static func send(_ bytes: [UInt8], to descriptor: Int32) -> Int {
        bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }

    /// What comes next, or the `errno`.
    static func receive(_ descriptor: Int32, limit: Int = 65_536) -> (bytes: [UInt8], errno: Int32) {
        var bytes = [UInt8](repeating: 0, count: limit)
        while true {
            let count = bytes.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
            if count >= 0 { return (Array(bytes.prefix(count)), 0) }
            // A receive with a time limit is interrupted by any signal (signal(7)).
            if errno != EINTR { return ([], errno) }
        }
    }

    /// Waits until something may be read or has gone wrong.
    static func waitReadable(_ descriptor: Int32, milliseconds: Int32 = 2_000) -> Bool {
        var item = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        while true {
            let count = poll(&item, 1, milliseconds)
            if count >= 0 || errno != EINTR { return count == 1 }
        }
    }

    static func option(_ descriptor: Int32, _ level: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(4)
        getsockopt(descriptor, level, name, &value, &length)
        return value
    }
}
