import CRingway
import Glibc
import RingwaySystem
import Testing

@testable import RingwayRing

/// What a ring does by itself: time, queues and cancellation.
@Suite("Ring", .tags(.kernel))
struct RingTests {
    @Test(arguments: BackEnd.here) func `waits no longer than it was told`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let start = ringway_monotonic_nanoseconds()
        #expect(bench.ring.submitAndWait(nanoseconds: 20_000_000) == 0)
        let waited = ringway_monotonic_nanoseconds() - start
        #expect(bench.ring.nextCompletion() == nil)
        #expect(waited >= 19_000_000 && waited < 1_000_000_000)
    }

    @Test(arguments: BackEnd.here) func `does not wait at all when told so`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let start = ringway_monotonic_nanoseconds()
        for _ in 0..<100 { #expect(bench.ring.submitAndWait(nanoseconds: 0) == 0) }
        #expect(ringway_monotonic_nanoseconds() - start < 1_000_000_000)
        #expect(bench.ring.nextCompletion() == nil)
    }

    @Test(arguments: BackEnd.here) func `collects what is ready without waiting`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        bench.prepare(7) { io_uring_prep_nop($0) }
        #expect(bench.ring.submitAndWait(nanoseconds: 0) == 0)
        #expect(bench.ring.nextCompletion()?.tag.index == 7)
    }

    @Test(arguments: BackEnd.here) func `takes more submissions than its queue holds`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd, entries: 8, completions: 256)
        for index in UInt32(0)..<200 { bench.prepare(index) { io_uring_prep_nop($0) } }
        let completions = bench.completions(200)
        #expect(completions.map(\.tag.index) == Array(0..<200))
        #expect(bench.ring.submissions == 200)
    }

    @Test(arguments: BackEnd.here)
    func `loses no completion when the kernel posts more than the queue holds`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd, entries: 64, completions: 64)
        for index in UInt32(0)..<1_000 { bench.prepare(index) { io_uring_prep_nop($0) } }
        let completions = bench.completions(1_000)
        #expect(Set(completions.map(\.tag.index)).count == 1_000)
    }

    @Test(arguments: BackEnd.here)
    func `cancels one operation by its tag and tells both ends`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let (reader, writer) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(reader, writer) }
        var word: UInt64 = 0
        withUnsafeMutablePointer(to: &word) { word in
            bench.prepare(1) { io_uring_prep_recv($0, reader, word, 8, 0) }
            #expect(bench.unexpected().isEmpty)
            bench.prepare(2) { ringway_prepare_cancel_tag($0, OperationTag(kind: 1, index: 1).rawValue) }
            let results = Dictionary(uniqueKeysWithValues: bench.completions(2).map { ($0.tag.index, $0.result) })
            #expect(results[1] == -ECANCELED)
            #expect(results[2] == 0)
        }
    }

    @Test(arguments: BackEnd.here) func `tells when there is nothing to cancel`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        bench.prepare(2) { ringway_prepare_cancel_tag($0, OperationTag(kind: 1, index: 1).rawValue) }
        #expect(bench.completions(1).map(\.result) == [-ENOENT])
    }

    @Test(arguments: BackEnd.here) func `cancels everything on a descriptor`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let (first, second) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(first, second) }
        var word: UInt64 = 0
        withUnsafeMutablePointer(to: &word) { word in
            bench.prepare(1) { io_uring_prep_recv($0, first, word, 8, 0) }
            bench.prepare(2) { ringway_prepare_poll($0, first, 0) }
            bench.prepare(3) { io_uring_prep_recv($0, second, word, 8, 0) }
            #expect(bench.unexpected().isEmpty)
            bench.prepare(4) { ringway_prepare_cancel_descriptor($0, first) }
            let cancelled = bench.completions(3)
            #expect(Set(cancelled.filter { $0.result == -ECANCELED }.map(\.tag.index)) == [1, 2])
            bench.prepare(5) { ringway_prepare_cancel_tag($0, OperationTag(kind: 1, index: 3).rawValue) }
            #expect(bench.completions(2).contains { $0.tag.index == 3 && $0.result == -ECANCELED })
        }
    }

    @Test(arguments: BackEnd.here)
    func `posts no completion for an unwatched success, but one for a failure`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        bench.prepare(1) {
            io_uring_prep_nop($0)
            ringway_skip_success($0)
        }
        #expect(bench.unexpected().isEmpty)
        bench.prepare(2) {
            ringway_prepare_wake($0, -1, 1)
            ringway_skip_success($0)
        }
        #expect(bench.completions(1).first?.result ?? 0 < 0)
    }

    @Test(arguments: BackEnd.here)
    func `polls for failure alone without being asked for any event`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let (own, other) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(own) }
        bench.prepare(1) { ringway_prepare_poll($0, own, 0) }
        Sockets.send([1, 2, 3], to: other)
        #expect(bench.unexpected().isEmpty, "data is no failure")
        Sockets.close(other)
        let completion = try #require(bench.completions(1).first)
        #expect(completion.result & Int32(POLLHUP) != 0)
    }

    @Test(arguments: BackEnd.here) func `polls until a connection is reset`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let listener = Sockets.bound(SOCK_STREAM)
        listen(listener.descriptor, 1)
        let client = Sockets.connected(SOCK_STREAM, port: listener.port)
        let server = accept(listener.descriptor, nil, nil)
        defer { Sockets.close(listener.descriptor, client) }
        bench.prepare(1) { ringway_prepare_poll($0, client, 0) }
        #expect(bench.unexpected().isEmpty)
        #expect(ringway_linger_zero(server) == 0)
        Sockets.close(server)
        let completion = try #require(bench.completions(1).first)
        #expect(completion.result & Int32(POLLERR) != 0)
        #expect(ringway_socket_error(client) == ECONNRESET)
    }

    @Test(arguments: BackEnd.here)
    func `throws and leaves nothing behind when the kernel makes no ring`(_ backEnd: BackEnd) {
        let name = backEnd == .epoll ? "epoll" : "io_uring"
        #expect(throws: SystemError("cannot set up \(name)", errno: EINVAL)) {
            _ = try Ring(entries: 0, completions: 0, features: backEnd.features)
        }
    }

    @Test func `tells why no ring could be made`() {
        let error = SystemError("cannot set up io_uring", errno: EPERM)
        #expect(error.description == "cannot set up io_uring: Operation not permitted")
    }

    @Test(arguments: BackEnd.here)
    func `an operation is taken back at once, and lets go of its file`(_ backEnd: BackEnd) throws {
        let bench = try RingBench(backEnd)
        let (reader, writer) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(writer) }
        var byte: UInt8 = 0
        try withUnsafeMutablePointer(to: &byte) { byte in
            bench.prepare(1) { io_uring_prep_recv($0, reader, byte, 1, 0) }
            bench.prepare(2) { ringway_prepare_poll($0, writer, 0) }
            try #require(bench.ring.submitAndWait(nanoseconds: 0) == 0)
            let tag = OperationTag(kind: 1, index: 1)
            try #require(bench.ring.cancelNow(tag, nanoseconds: 1_000_000_000) == 1)
            let completions = bench.completions(1)
            #expect(completions.map(\.tag.index) == [1])
            #expect(completions.allSatisfy { $0.result == -ECANCELED })
        }
        Sockets.close(reader)
        // The other end sees the close now, rather than at the end of the ring.
        #expect(send(writer, [1], 1, Int32(MSG_NOSIGNAL)) == -1 && errno == EPIPE)
    }

    @Test(.enabled(if: KernelFeatures.probe().hasRing)) func `what is no ring has nothing to take back`() {
        let (reader, writer) = Sockets.pipePair()
        defer { Sockets.close(reader, writer) }
        #expect(ringway_cancel_tag_now(reader, 1, 1_000_000_000) == -EOPNOTSUPP)
    }
}
