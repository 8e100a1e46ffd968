import CRingway
import Glibc
import RingwayRing
import RingwaySystem
import Testing

/// Operations for which the kernel picks a buffer when data arrives.
@Suite("Receive into provided buffers", .tags(.kernel))
struct BufferedReceiveTests {
    @Test(arguments: BackEnd.here.filter(\.features.hasMultishotRead))
    func `reads again and again from one submission`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 8, size: 64)
        buffers.add(0..<8)
        let (reader, writer) = Sockets.pipePair()
        defer { Sockets.close(reader) }
        bench.prepare(1) { ringway_prepare_read_multishot($0, reader, buffers.group) }
        for byte in UInt8(1)...5 {
            Sockets.send([UInt8](repeating: byte, count: Int(byte)), to: writer)
            let completion = try #require(bench.completions(1).first)
            #expect(completion.hasMore && completion.hasBuffer)
            #expect(buffers.take(completion) == [UInt8](repeating: byte, count: Int(byte)))
        }
        #expect(buffers.available == 3)
        Sockets.close(writer)
        let last = try #require(bench.completions(1).first)
        #expect(last.result == 0 && !last.hasMore)
    }

    @Test(arguments: BackEnd.here.filter(\.features.hasMultishotRead))
    func `ends with ENOBUFS when no buffer is left, and loses nothing`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 4, size: 64)
        buffers.add(0..<2)
        let (reader, writer) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(reader, writer) }
        bench.prepare(1) { ringway_prepare_read_multishot($0, reader, buffers.group) }
        for byte in UInt8(0)..<4 { Sockets.send([byte], to: writer) }
        let first = bench.completions(3)
        #expect(first.prefix(2).map { buffers.take($0) } == [[0], [1]])
        #expect(first.last?.result == -ENOBUFS)
        #expect(first.last?.hasMore == false && first.last?.hasBuffer == false)
        #expect(buffers.available == 0)
        buffers.add(2..<4)
        bench.prepare(2) { ringway_prepare_read_multishot($0, reader, buffers.group) }
        let second = bench.completions(2)
        #expect(second.prefix(2).map { buffers.take($0) } == [[2], [3]])
    }

    @Test(arguments: BackEnd.here) func `reads once where multishot is missing`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 4, size: 64)
        buffers.add(0..<4)
        let (reader, writer) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(reader, writer) }
        for index in UInt32(0)..<2 {
            bench.prepare(index) { ringway_prepare_read_select($0, reader, 64, buffers.group) }
        }
        for byte in UInt8(10)..<13 { Sockets.send([byte], to: writer) }
        let completions = bench.completions(2)
        #expect(Set(completions.map { buffers.take($0) }) == [[10], [11]])
        #expect(completions.allSatisfy { !$0.hasMore })
        #expect(bench.unexpected().isEmpty, "the third waits for a read")
    }

    @Test(arguments: BackEnd.here) func `receives no more than it was told`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 2, size: 64)
        buffers.add(0..<2)
        let (reader, writer) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(reader) }
        Sockets.send(Array(0..<40), to: writer)
        bench.prepare(1) { ringway_prepare_receive_select($0, reader, 16, buffers.group) }
        let first = try #require(bench.completions(1).first)
        #expect(buffers.take(first) == Array(0..<16))
        bench.prepare(2) { ringway_prepare_receive_select($0, reader, 1_000, buffers.group) }
        let second = try #require(bench.completions(1).first)
        #expect(buffers.take(second) == Array(16..<40))
        Sockets.close(writer)
        buffers.add(0..<1)
        bench.prepare(3) { ringway_prepare_receive_select($0, reader, 16, buffers.group) }
        #expect(bench.completions(1).first?.result == 0, "the end of the stream")
    }

    @Test(arguments: BackEnd.here) func `has no buffer for a receive when none was given`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 2, size: 64)
        let (reader, writer) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(reader, writer) }
        Sockets.send([1], to: writer)
        bench.prepare(1) { ringway_prepare_receive_select($0, reader, 16, buffers.group) }
        #expect(bench.completions(1).first?.result == -ENOBUFS)
    }

    @Test(arguments: BackEnd.here) func `receives a stream of records from one submission`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 8, size: 64)
        buffers.add(0..<8)
        let (reader, writer) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(reader, writer) }
        bench.prepare(1) { ringway_prepare_receive_multishot($0, reader, buffers.group) }
        for byte in UInt8(0)..<4 { Sockets.send([byte, byte], to: writer) }
        let completions = bench.completions(4)
        let records = completions.map { buffers.take($0) }
        #expect(records == [[0, 0], [1, 1], [2, 2], [3, 3]])
        #expect(completions.allSatisfy { $0.hasMore })
    }

    @Test(arguments: BackEnd.here) func `tells the sender of each datagram`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 8, size: 512)
        buffers.add(0..<8)
        let receiver = Sockets.bound(SOCK_DGRAM)
        let senders = (0..<2).map { _ in Sockets.connected(SOCK_DGRAM, port: receiver.port) }
        defer {
            Sockets.close(receiver.descriptor)
            for sender in senders { Sockets.close(sender) }
        }
        var template = msghdr()
        template.msg_namelen = 32
        template.msg_controllen = 64
        withUnsafeMutablePointer(to: &template) { template in
            bench.prepare(1) {
                ringway_prepare_receive_message_multishot($0, receiver.descriptor, template, buffers.group)
            }
            for (index, sender) in senders.enumerated() {
                Sockets.send([UInt8](repeating: UInt8(index), count: 20), to: sender)
            }
            let completions = bench.completions(2)
            #expect(completions.count == 2)
            for (index, completion) in completions.enumerated() {
                #expect(completion.hasMore)
                let bytes = buffers.slice(completion)
                guard let base = bytes.baseAddress else { continue }
                let header = base.loadUnaligned(as: io_uring_recvmsg_out.self)
                let prologue = MemoryLayout<io_uring_recvmsg_out>.size
                #expect(header.namelen == MemoryLayout<sockaddr_in>.size)
                #expect(header.payloadlen == 20)
                #expect(bytes.count == prologue + 32 + 64 + 20)
                let name = base.loadUnaligned(fromByteOffset: prologue, as: sockaddr_in.self)
                #expect(UInt16(bigEndian: name.sin_port) == Self.port(of: senders[index]))
                #expect(bytes.suffix(20).allSatisfy { $0 == UInt8(index) })
            }
        }
    }

    private static func port(of descriptor: Int32) -> UInt16 {
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &address) { address in
            address.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        return UInt16(bigEndian: address.sin_port)
    }

    @Test(arguments: BackEnd.here, [false, true])
    func `accepts clients from one submission until it is cancelled`(_ backEnd: BackEnd, pollsFirst: Bool) throws {
        let bench = try RingBench(backEnd)
        let pollsFirst = pollsFirst && backEnd.features.acceptsPollFirst
        let listener = Sockets.bound(SOCK_STREAM)
        listen(listener.descriptor, 16)
        bench.prepare(1) { ringway_prepare_accept_multishot($0, listener.descriptor, pollsFirst) }
        let clients = (0..<3).map { _ in Sockets.connected(SOCK_STREAM, port: listener.port) }
        let accepted = bench.completions(3)
        #expect(accepted.count == 3 && accepted.allSatisfy { $0.result >= 0 && $0.hasMore })
        for completion in accepted {
            let flags = fcntl(completion.result, F_GETFL)
            #expect(flags & O_NONBLOCK != 0)
            #expect(fcntl(completion.result, F_GETFD) & FD_CLOEXEC != 0)
        }
        bench.prepare(2) { ringway_prepare_cancel_tag($0, OperationTag(kind: 1, index: 1).rawValue) }
        let ended = bench.completions(2)
        #expect(ended.contains { $0.tag.index == 1 && $0.result == -ECANCELED && !$0.hasMore })
        for descriptor in clients + accepted.map(\.result) + [listener.descriptor] { Sockets.close(descriptor) }
    }

    @Test(arguments: BackEnd.here) func `knows how many buffers a ring holds`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let buffers = try ProvidedBuffers(bench, capacity: 4, size: 64)
        #expect(buffers.available == 0 && !buffers.isFull)
        buffers.add(0..<4)
        #expect(buffers.available == 4 && buffers.isFull)
    }

    @Test(arguments: BackEnd.here) func `refuses two buffer rings of one number`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let first = try ProvidedBuffers(bench, capacity: 4, size: 64, group: 3)
        #expect(throws: SystemError.self) { _ = try ProvidedBuffers(bench, capacity: 4, size: 64, group: 3) }
        #expect(first.group == 3)
    }
}
