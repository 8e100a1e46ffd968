import Dispatch
import Glibc
import RingwaySystem

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
        socketpair(AF_UNIX, Int32(SOCK_SEQPACKET.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
        resolver.serve(datagrams: OwnedDescriptor(adopting: ends[1]))
        shard = ends[0]
        let (sockets, port) = try ScriptedNameserver.openSockets()
        self.port = port
        datagrams = sockets[0]
        listener = sockets[1]
        listen(listener, 16)
        let (datagrams, listener, shard) = (datagrams, listener, shard)
        DispatchQueue(label: "from guest").async { Self.relayQueries(from: datagrams, to: shard) }
        DispatchQueue(label: "to guest").async { Self.relayAnswers(from: shard, to: datagrams) }
        DispatchQueue(label: "connections").async {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                resolver.serve(stream: OwnedDescriptor(adopting: connection))
            }
            close(listener)
        }
    }

    deinit {
        shutdown(datagrams, Int32(SHUT_RDWR))
        shutdown(listener, Int32(SHUT_RDWR))
        shutdown(shard, Int32(SHUT_RDWR))
    }

    /// The tag is the client's address: a `sockaddr_in` has sixteen bytes.
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
