import CRingway
import Glibc
import RingwayModel
import RingwayRelay
import RingwaySystem
import Testing

/// Bytes from one real connection to another through kernel pipes.
@Suite("One way of a relay")
struct RelayDirectionTests {
    /// A loopback connection: the relay's end, non-blocking, and the far end.
    private struct Connection {
        let near: Int32
        var far: Int32

        init() {
            let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let any = TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 0)
            precondition(SocketAddress.bind(listener, to: any) == 0 && Glibc.listen(listener, 1) == 0)
            guard let address = SocketAddress.local(of: listener) else { preconditionFailure("it is bound") }
            far = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            precondition(SocketAddress.connect(far, to: address) == 0)
            near = accept(listener, nil, nil)
            _ = ringway_set_nonblocking(near)
            Glibc.close(listener)
        }

        /// The far end resets. On the loopback the RST has arrived when the call returns.
        mutating func reset() {
            _ = ringway_linger_zero(far)
            Glibc.close(far)
            far = -1
        }

        func close() {
            Glibc.close(near)
            if far >= 0 { Glibc.close(far) }
        }
    }

    /// A direction between two connections, driven as by its owner.
    private final class Bench {
        var source = Connection()
        var sink = Connection()
        var direction = RelayDirection()
        var pipes: PipePool

        /// - Parameter pipes: the most pipes.
        init(pipes: Int = .max) { self.pipes = PipePool(limit: pipes) }

        deinit {
            source.close()
            sink.close()
        }

        /// Moves bytes, as after an event from the kernel.
        func move(budget: Int = .max, isBroken: Bool = false) -> RelayDirection.Outcome {
            var budget = budget
            var end = RelayEnd(descriptor: source.near)
            end.isBroken = isBroken
            direction.isReadable = true
            direction.isWritable = true
            return direction.move(from: end, to: RelayEnd(descriptor: sink.near), &pipes, budget: &budget)
        }

        func write(_ bytes: [UInt8]) { _ = send(source.far, bytes, bytes.count, 0) }

        /// The far end's received bytes; an empty array is end of file, `nil` nothing.
        func read(_ count: Int = 65_536) -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: count)
            let received = recv(sink.far, &bytes, count, Int32(MSG_DONTWAIT))
            return received < 0 ? nil : Array(bytes.prefix(received))
        }
    }

    @Test func `carry bytes as they are`() {
        let bench = Bench()
        bench.write([1, 2, 3])
        #expect(bench.move() == .moved)
        #expect(bench.read() == [1, 2, 3])
    }

    @Test func `carry bytes and an end without a pipe`() {
        let bench = Bench(pipes: 0)
        bench.write([1, 2, 3])
        shutdown(bench.source.far, Int32(SHUT_WR))
        #expect(bench.move() == .moved)
        #expect(bench.move() == .moved)
        #expect(bench.direction.isShut)
        #expect(bench.read() == [1, 2, 3])
        #expect(bench.read() == [])
    }

    @Test func `leave with the source what the sink does not take without a pipe`() {
        let bench = Bench(pipes: 0)
        let block = [UInt8](repeating: 7, count: 1 << 20)
        var written = 0
        while true {
            let count = send(bench.source.far, block, block.count, Int32(MSG_DONTWAIT))
            if count > 0 { written += count }
            _ = bench.move()
            if count <= 0, !bench.direction.isWritable { break }
        }
        #expect(bench.direction.queued == 0)
        shutdown(bench.source.far, Int32(SHUT_WR))
        var received = 0
        while !bench.direction.isShut || received < written {
            while let bytes = bench.read(1 << 20), !bytes.isEmpty { received += bytes.count }
            #expect(bench.move() == .moved)
        }
        #expect(received == written)
    }

    @Test func `report a source's reset without a pipe`() {
        let bench = Bench(pipes: 0)
        bench.source.reset()
        #expect(bench.move() == .sourceBroken)
    }

    @Test func `have no pipe while nothing is under way`() {
        let bench = Bench()
        bench.write([1, 2, 3])
        _ = bench.move()
        #expect(bench.direction.pipe.isNone)
    }

    @Test func `wait for the kernel's event once the source is empty`() {
        let bench = Bench()
        _ = bench.move()
        #expect(!bench.direction.canMove)
    }

    @Test func `pass an end on after the bytes before it`() {
        let bench = Bench()
        bench.write([1, 2, 3])
        shutdown(bench.source.far, Int32(SHUT_WR))
        #expect(bench.move() == .moved)
        #expect(bench.direction.isShut)
        #expect(bench.read() == [1, 2, 3])
        #expect(bench.read() == [])
    }

    @Test func `keep an end back while bytes are under way`() {
        let bench = Bench()
        let block = [UInt8](repeating: 7, count: 1 << 20)
        var written = 0
        while true {
            let count = send(bench.source.far, block, block.count, Int32(MSG_DONTWAIT))
            if count > 0 { written += count }
            _ = bench.move()
            if count <= 0, bench.direction.queued > 0 { break }
        }
        shutdown(bench.source.far, Int32(SHUT_WR))
        _ = bench.move()
        #expect(!bench.direction.isShut)
        var received = 0
        while !bench.direction.isShut || received < written {
            while let bytes = bench.read(1 << 20), !bytes.isEmpty { received += bytes.count }
            #expect(bench.move() == .moved)
        }
        #expect(received == written)
    }

    @Test func `stop at the budget, and go on`() {
        let bench = Bench()
        bench.write([1])
        #expect(bench.move(budget: 1) == .moved)
        shutdown(bench.source.far, Int32(SHUT_WR))
        #expect(!bench.direction.hasEnded)
        #expect(bench.move() == .moved)
        #expect(bench.direction.isShut)
    }

    @Test func `report a source's reset, and no end of file`() {
        let bench = Bench()
        bench.source.reset()
        #expect(bench.move() == .sourceBroken)
        #expect(!bench.direction.hasEnded)
    }

    @Test func `report a sink's reset`() {
        let bench = Bench()
        bench.sink.reset()
        bench.write([1])
        #expect(bench.move() == .sinkBroken)
    }

    @Test func `see no end in a source that has failed`() {
        let bench = Bench()
        bench.write([1, 2, 3])
        shutdown(bench.source.far, Int32(SHUT_WR))
        #expect(bench.move(isBroken: true) == .sourceBroken)
        #expect(bench.read() == [1, 2, 3])
        #expect(!bench.direction.isShut)
    }
}
