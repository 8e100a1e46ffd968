import CRingway
import Glibc
import RingwayRing
import Testing

/// Operations of sockets that connect and end.
@Suite("Connect", .tags(.kernel))
struct ConnectTests {
    /// What a ring answers to a connect of a fresh socket to a port of 127.0.0.1.
    private static func connect(_ bench: RingBench, to port: UInt16) -> (descriptor: Int32, result: Int32?) {
        let descriptor = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        var address = Sockets.loopback(port: port)
        return withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bench.prepare(1) {
                    io_uring_prep_connect($0, descriptor, address, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
                return (descriptor, bench.completions(1).first?.result)
            }
        }
    }

    @Test(arguments: BackEnd.here) func `a connection that is taken is told`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let listener = Sockets.bound(SOCK_STREAM)
        listen(listener.descriptor, 4)
        let client = Self.connect(bench, to: listener.port)
        defer { Sockets.close(listener.descriptor, client.descriptor) }
        #expect(client.result == 0)
    }

    @Test(arguments: BackEnd.here) func `a connection that is refused is told`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        // Bound and not listening, so that nobody else gets the port.
        let holder = Sockets.bound(SOCK_STREAM)
        let client = Self.connect(bench, to: holder.port)
        defer { Sockets.close(holder.descriptor, client.descriptor) }
        #expect(client.result == -ECONNREFUSED)
    }

    @Test(arguments: BackEnd.here) func `a connection that nobody answers is told when it is taken back`(
        _ backEnd: BackEnd
    ) throws {
        let bench = try RingBench(backEnd)
        let listener = Sockets.bound(SOCK_STREAM)
        // Room for one, which is taken: the next client's SYN is dropped.
        listen(listener.descriptor, 0)
        let first = Sockets.connected(SOCK_STREAM, port: listener.port)
        let client = socket(
            AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        defer { Sockets.close(listener.descriptor, first, client) }
        var address = Sockets.loopback(port: listener.port)
        withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bench.prepare(1) {
                    io_uring_prep_connect($0, client, address, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
                #expect(bench.unexpected().isEmpty)
            }
        }
        bench.prepare(2) { ringway_prepare_cancel_tag($0, OperationTag(kind: 1, index: 1).rawValue) }
        let ends = Dictionary(uniqueKeysWithValues: bench.completions(2).map { ($0.tag.index, $0.result) })
        #expect(ends == [1: -ECANCELED, 2: 0])
    }

    @Test(arguments: BackEnd.here) func `each change of a stream is an event of one poll`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let (own, other) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(own) }
        bench.prepare(1) { ringway_prepare_poll_multishot($0, own, UInt32(POLLIN) | UInt32(POLLOUT)) }
        let first = try #require(bench.completions(1).first)
        #expect(first.result == Int32(POLLOUT) && first.hasMore)
        for byte in UInt8(0)..<3 {
            Sockets.send([byte], to: other)
            let completion = try #require(bench.completions(1).first)
            #expect(completion.result & Int32(POLLIN) != 0 && completion.hasMore)
        }
        Sockets.close(other)
        let last = try #require(bench.completions(1).first)
        #expect(last.result & Int32(POLLHUP) != 0)
    }
}
