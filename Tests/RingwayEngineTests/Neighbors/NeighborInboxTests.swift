import RingwayStorage
import Testing

@testable import RingwayEngine

@Suite("Neighbours' inbox")
struct NeighborInboxTests {
    /// An inbox and the pool of the shard.
    private final class Bench {
        let space = MemoryFailure.trap { try BufferSpace(shards: 1, largeCount: 512, smallCount: 512) }
        let pool = UnsafeMutablePointer<BufferPool>.allocate(capacity: 1)
        var inbox = NeighborInbox()

        init() { pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) }) }

        deinit {
            pool.deinitialize(count: 1)
            pool.deallocate()
            space.deallocate()
        }

        var leased: Int { pool.pointee.leased }

        /// Whether there was room for a frame in a large buffer.
        func append(length: Int) -> Bool {
            let lease = pool.pointee.lease(.large)
            if inbox.append(lease, length: length, pool) { return true }
            pool.pointee.release(lease)
            return false
        }

        /// The length of the next frame.
        func next() -> Int? {
            let lease = inbox.popFirst(in: space)
            guard !lease.isNone else { return nil }
            defer { pool.pointee.release(lease) }
            return Int(space.state(of: lease).pointee.length)
        }
    }

    @Test func `gives frames back in the order in which they came`() {
        let bench = Bench()
        for length in 100..<400 { #expect(bench.append(length: length)) }
        for length in 100..<400 { #expect(bench.next() == length) }
        #expect(bench.next() == nil)
        #expect(bench.leased == 0)
    }

    @Test func `pins few large buffers, whatever lies in them`() {
        let bench = Bench()
        let taken = (0..<300).count { _ in bench.append(length: 60_000) }
        #expect(taken == NeighborInbox.largeLimit)
        #expect(bench.leased == NeighborInbox.largeLimit)
        while bench.next() != nil {}
        #expect(bench.leased == 0 && bench.inbox.isEmpty)
    }
}
