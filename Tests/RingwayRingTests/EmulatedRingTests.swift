import CRingway
import Glibc
import Testing

@testable import RingwayRing

/// Specific to the emulation: reused descriptor numbers, and limits.
@Suite("Ring emulated on epoll", .tags(.kernel))
struct EmulatedRingTests {
    @Test func `the numbers of operations are the kernel's`() {
        #expect(OperationCode.nothing.rawValue == UInt8(IORING_OP_NOP.rawValue))
        #expect(OperationCode.readSlices.rawValue == UInt8(IORING_OP_READV.rawValue))
        #expect(OperationCode.writeSlices.rawValue == UInt8(IORING_OP_WRITEV.rawValue))
        #expect(OperationCode.poll.rawValue == UInt8(IORING_OP_POLL_ADD.rawValue))
        #expect(OperationCode.sendMessage.rawValue == UInt8(IORING_OP_SENDMSG.rawValue))
        #expect(OperationCode.receiveMessage.rawValue == UInt8(IORING_OP_RECVMSG.rawValue))
        #expect(OperationCode.accept.rawValue == UInt8(IORING_OP_ACCEPT.rawValue))
        #expect(OperationCode.cancel.rawValue == UInt8(IORING_OP_ASYNC_CANCEL.rawValue))
        #expect(OperationCode.connect.rawValue == UInt8(IORING_OP_CONNECT.rawValue))
        #expect(OperationCode.close.rawValue == UInt8(IORING_OP_CLOSE.rawValue))
        #expect(OperationCode.read.rawValue == UInt8(IORING_OP_READ.rawValue))
        #expect(OperationCode.write.rawValue == UInt8(IORING_OP_WRITE.rawValue))
        #expect(OperationCode.send.rawValue == UInt8(IORING_OP_SEND.rawValue))
        #expect(OperationCode.receive.rawValue == UInt8(IORING_OP_RECV.rawValue))
        #expect(OperationCode.shutdown.rawValue == UInt8(IORING_OP_SHUTDOWN.rawValue))
        #expect(OperationCode.messageRing.rawValue == UInt8(IORING_OP_MSG_RING.rawValue))
    }

    /// Replaces the file of `descriptor`.
    private static func replace(_ descriptor: Int32, by other: Int32) {
        precondition(dup2(other, descriptor) == descriptor)
        Sockets.close(other)
    }

    @Test func `a number that another file has got is armed anew`() throws {
        let bench = try RingBench(.epoll)
        let (own, other) = Sockets.pair(SOCK_STREAM)
        let (next, far) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(own, other, far) }
        var byte: UInt8 = 0
        withUnsafeMutablePointer(to: &byte) { byte in
            bench.prepare(1) { io_uring_prep_recv($0, own, byte, 1, 0) }
            #expect(bench.unexpected().isEmpty)
            Sockets.send([1], to: other)
            #expect(bench.completions(1).map(\.result) == [1])
            Self.replace(own, by: next)
            bench.prepare(2) { io_uring_prep_recv($0, own, byte, 1, 0) }
            #expect(bench.unexpected().isEmpty)
            Sockets.send([2], to: far)
            #expect(bench.completions(1).map(\.result) == [1])
            #expect(byte.pointee == 2)
        }
    }

    @Test func `what waits for a file that is gone ends when its number is used again`() throws {
        let bench = try RingBench(.epoll)
        let (own, other) = Sockets.pair(SOCK_STREAM)
        let (next, far) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(own, other, far) }
        bench.prepare(1) { ringway_prepare_poll($0, own, UInt32(POLLIN)) }
        #expect(bench.unexpected().isEmpty)
        Self.replace(own, by: next)
        bench.prepare(2) { ringway_prepare_poll($0, own, UInt32(POLLIN)) }
        #expect(bench.completions(1).map { [$0.tag.index: $0.result] } == [[1: -ECANCELED]])
        Sockets.send([1], to: far)
        #expect(bench.completions(1).map(\.tag.index) == [2])
    }

    @Test func `what waits for a descriptor ends when that is told to be closed`() throws {
        let bench = try RingBench(.epoll)
        let (own, other) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(other) }
        var byte: UInt8 = 0
        withUnsafeMutablePointer(to: &byte) { byte in
            bench.prepare(1) { io_uring_prep_recv($0, own, byte, 1, 0) }
            bench.prepare(2) { ringway_prepare_poll_multishot($0, own, 0) }
            #expect(bench.unexpected().isEmpty)
            bench.ring.closing(own)
            Sockets.close(own)
            let ends = bench.completions(2)
            #expect(ends.map(\.tag.index) == [1, 2])
            #expect(ends.allSatisfy { $0.result == -ECANCELED && !$0.hasMore })
        }
    }

    @Test func `what has not started for lack of room ends when its descriptor is told to be closed`() throws {
        let bench = try RingBench(.epoll, entries: 8, completions: 8)
        let (own, other) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(other) }
        var byte: UInt8 = 0
        withUnsafeMutablePointer(to: &byte) { byte in
            for index in UInt32(100)..<108 { bench.prepare(index) { io_uring_prep_nop($0) } }
            // The completions of the eight operations fill the queue, and no operation has waited for a descriptor.
            bench.prepare(1) { io_uring_prep_recv($0, own, byte, 1, 0) }
            _ = bench.ring.submitAndWait(nanoseconds: 0)
            bench.ring.closing(own)
            Sockets.close(own)
            let completions = bench.completions(9)
            #expect(completions.prefix(8).map(\.tag.index) == Array(100..<108))
            #expect(completions.dropFirst(8).map { [$0.tag.index: $0.result] } == [[1: -ECANCELED]])
        }
    }

    @Test func `sends wait their turn and keep their order`() throws {
        let bench = try RingBench(.epoll)
        let (own, other) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(own, other) }
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
        defer { bytes.deallocate() }
        for index in 0..<256 { bytes[index] = UInt8(index) }
        var smallest: Int32 = 4_096
        setsockopt(own, SOL_SOCKET, SO_SNDBUF, &smallest, 4)
        for index in UInt32(0)..<256 {
            bench.prepare(index) { io_uring_prep_write($0, own, bytes + Int(index), 1, 0) }
        }
        _ = bench.ring.submitAndWait(nanoseconds: 0)
        var received: [UInt8] = []
        var completed: [UInt32] = []
        for _ in 0..<1_000 where received.count < 256 {
            var byte: UInt8 = 0
            while read(other, &byte, 1) == 1 { received.append(byte) }
            _ = bench.ring.submitAndWait(nanoseconds: 1_000_000)
            while let completion = bench.ring.nextCompletion() {
                #expect(completion.result == 1)
                completed.append(completion.tag.index)
            }
        }
        #expect(received == Array(0...255))
        #expect(completed == Array(0...255))
    }

    @Test func `a full completion queue keeps everything back, and loses nothing`() throws {
        let bench = try RingBench(.epoll, entries: 8, completions: 8)
        let buffers = try ProvidedBuffers(bench, capacity: 64, size: 64)
        buffers.add(0..<64)
        let (own, other) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(own, other) }
        bench.prepare(1) { ringway_prepare_receive_multishot($0, own, buffers.group) }
        for byte in UInt8(0)..<40 { Sockets.send([byte], to: other) }
        // Four rounds of submissions without reaping completions.
        for index in UInt32(100)..<132 { bench.prepare(index) { io_uring_prep_nop($0) } }
        let completions = bench.completions(72)
        #expect(completions.filter { $0.tag.index >= 100 }.map(\.tag.index) == Array(100..<132))
        #expect(completions.filter { $0.tag.index == 1 }.map { buffers.take($0) } == (0..<40).map { [UInt8($0)] })
    }

    @Test func `one descriptor that never runs dry does not starve another`() throws {
        let bench = try RingBench(.epoll, completions: 256)
        let buffers = try ProvidedBuffers(bench, capacity: 256, size: 64)
        buffers.add(0..<256)
        let (busy, feeder) = Sockets.pair(SOCK_SEQPACKET)
        let (quiet, speaker) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(busy, feeder, quiet, speaker) }
        bench.prepare(1) { ringway_prepare_receive_multishot($0, busy, buffers.group) }
        bench.prepare(2) { ringway_prepare_receive_multishot($0, quiet, buffers.group) }
        #expect(bench.unexpected().isEmpty)
        for _ in 0..<100 { Sockets.send([1], to: feeder) }
        Sockets.send([2], to: speaker)
        let order = bench.completions(101).map(\.tag.index)
        #expect(order.count == 101)
        #expect(order.firstIndex(of: 2) ?? .max <= EmulatedRing.visitLimit)
    }

    @Test func `a poll of what epoll refuses is over at once`() throws {
        let bench = try RingBench(.epoll)
        let file = open("/dev/zero", O_RDONLY | O_CLOEXEC)
        let regular = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)
        defer { Sockets.close(file, regular) }
        bench.prepare(1) { ringway_prepare_poll($0, regular, UInt32(POLLIN)) }
        #expect(bench.completions(1).map(\.result) == [Int32(POLLIN)])
        var byte: UInt8 = 1
        withUnsafeMutablePointer(to: &byte) { byte in
            bench.prepare(2) { io_uring_prep_read($0, file, byte, 1, 0) }
            #expect(bench.completions(1).map(\.result) == [1])
        }
    }

    @Test func `a send that is told not to wait does not`() throws {
        let bench = try RingBench(.epoll)
        let (own, other) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(own, other) }
        let bytes = [UInt8](repeating: 7, count: 1 << 20)
        bytes.withUnsafeBufferPointer { bytes in
            bench.prepare(1) { io_uring_prep_send($0, own, bytes.baseAddress, bytes.count, 0) }
            let first = bench.completions(1).map(\.result)
            #expect(first.first ?? 0 > 0)
            bench.prepare(2) { io_uring_prep_send($0, own, bytes.baseAddress, 1, Int32(MSG_DONTWAIT)) }
            #expect(bench.completions(1).map(\.result) == [-EAGAIN])
        }
    }

    @Test func `a file that would block is kept from it`() throws {
        let bench = try RingBench(.epoll)
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) { pipe($0.baseAddress?.assumingMemoryBound(to: Int32.self)) }
        try #require(made == 0)
        defer { Sockets.close(ends.0, ends.1) }
        var byte: UInt8 = 0
        withUnsafeMutablePointer(to: &byte) { byte in
            bench.prepare(1) { io_uring_prep_read($0, ends.0, byte, 1, 0) }
            #expect(bench.unexpected().isEmpty)
            Sockets.send([7], to: ends.1)
            #expect(bench.completions(1).map(\.result) == [1])
        }
    }

    @Test func `an operation that fills the queue and cannot wait still says that it ends`() throws {
        let bench = try RingBench(.epoll, entries: 8, completions: 8)
        let buffers = try ProvidedBuffers(bench, capacity: 64, size: 64)
        buffers.add(0..<64)
        let file = open("/dev/zero", O_RDONLY | O_CLOEXEC)
        defer { Sockets.close(file) }
        bench.prepare(1) { ringway_prepare_read_multishot($0, file, buffers.group) }
        let completions = bench.completions(9)
        #expect(completions.prefix(8).allSatisfy { $0.result == 64 && $0.hasMore })
        #expect(completions.last?.result == -EAGAIN && completions.last?.hasMore == false)
    }
}
