import Dispatch
import Glibc
import RingwayWire

@testable import RingwayResolver

/// Stands in for a shard: serves real DNS clients on a loopback port, by UDP through a datagram pair and by TCP by
/// handing over connections.
final class GuestRelay: Sendable {
    let port: UInt16
    private let datagrams: Int32
    private let listener: Int32
    private let shard: Int32

    init(_ resolver: Resolver) throws {
        var ends: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue), 0, &ends)
        resolver.serve(datagrams: ends[1])
        shard = ends[0]
        // The same port for both, which `ScriptedNameserver` knows how to find.
        let free = try ScriptedNameserver([], script: { _, _ in [] }).address.port
        datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = free.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let (datagrams, listener, shard) = (datagrams, listener, shard)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(datagrams, $0, length) == 0 && getsockname(datagrams, $0, &length) == 0
                    && bind(listener, $0, length) == 0
            }
        }
        guard bound, listen(listener, 16) == 0 else { throw TestFailure("bind: \(errno)") }
        port = UInt16(bigEndian: address.sin_port)
        DispatchQueue(label: "from guest").async { Self.relayQueries(from: datagrams, to: shard) }
        DispatchQueue(label: "to guest").async { Self.relayAnswers(from: shard, to: datagrams) }
        DispatchQueue(label: "connections").async {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                resolver.serve(stream: connection)
            }
            close(listener)
        }
    }

    deinit {
        shutdown(datagrams, Int32(SHUT_RDWR))
        shutdown(listener, Int32(SHUT_RDWR))
        shutdown(shard, Int32(SHUT_RDWR))
    }

    /// The tag is the client's address: a `sockaddr_in` has sixteen octets.
    private static func relayQueries(from datagrams: Int32, to shard: Int32) {
        var buffer = [UInt8](repeating: 0, count: 16 + 65536)
        while true {
            let count = buffer.withUnsafeMutableBytes { bytes -> Int in
                guard let base = bytes.baseAddress else { return -1 }
                var length = socklen_t(16)
                return recvfrom(
                    datagrams, base + 16, bytes.count - 16, 0, base.assumingMemoryBound(to: sockaddr.self), &length)
            }
            guard count > 0 else { break }
            _ = send(shard, buffer, 16 + count, Int32(MSG_NOSIGNAL))
        }
        close(datagrams)
    }

    private static func relayAnswers(from shard: Int32, to datagrams: Int32) {
        var buffer = [UInt8](repeating: 0, count: 16 + 65536)
        while true {
            let count = recv(shard, &buffer, buffer.count, 0)
            guard count > 16 else { break }
            buffer.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                _ = sendto(datagrams, base + 16, count - 16, 0, base.assumingMemoryBound(to: sockaddr.self), 16)
            }
        }
        close(shard)
    }
}
