import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

@Suite("OutOfOrderQueue")
struct OutOfOrderQueueTests {
    private let first = SequenceNumber(0xFFFF_FF00)

    private func at(_ offset: Int) -> SequenceNumber { first.advanced(by: offset) }

    private func insert(_ queue: inout OutOfOrderQueue, _ bench: BufferBench, _ range: Range<Int>) -> Bool {
        let lease = bench.lease(BufferBench.pattern(range.count, from: range.lowerBound), at: at(range.lowerBound))
        let inserted = queue.insert(lease, bench.pool)
        if !inserted { bench.pool.pointee.release(lease) }
        return inserted
    }

    /// The blocks to report, offsets from the first byte.
    private func blocks(_ queue: OutOfOrderQueue, _ bench: BufferBench) -> [Range<Int>] {
        let blocks = queue.blocks(in: bench.space)
        return (0..<blocks.count).map {
            Int(blocks[$0].start.distance(from: first))..<Int(blocks[$0].end.distance(from: first))
        }
    }

    @Test func `blocks are reported, the one that arrived last first`() {
        let bench = BufferBench()
        var queue = OutOfOrderQueue()
        for range in [100..<200, 300..<400, 500..<600, 700..<800] { #expect(insert(&queue, bench, range)) }
        #expect(blocks(queue, bench) == [700..<800, 100..<200, 300..<400])
        #expect(insert(&queue, bench, 200..<300))
        #expect(blocks(queue, bench) == [100..<400, 500..<600, 700..<800])
        queue.removeAll(bench.pool)
        #expect(bench.leased == 0 && queue.isEmpty && queue.bytes == 0)
    }

    @Test func `overlaps are cut, and what brings nothing new is refused`() {
        let bench = BufferBench()
        var queue = OutOfOrderQueue()
        #expect(insert(&queue, bench, 100..<200))
        #expect(!insert(&queue, bench, 120..<180))
        #expect(insert(&queue, bench, 150..<250), "its first half is there already")
        #expect(insert(&queue, bench, 50..<120), "its end is there already")
        #expect(blocks(queue, bench) == [50..<250])
        #expect(insert(&queue, bench, 0..<300), "it covers the others")
        #expect(blocks(queue, bench) == [0..<300])
        queue.removeAll(bench.pool)
        #expect(bench.leased == 0)
    }

    @Test func `what has become contiguous comes out once, in order`() {
        let bench = BufferBench()
        var queue = OutOfOrderQueue()
        for range in [300..<400, 100..<200, 150..<300, 500..<600] { _ = insert(&queue, bench, range) }
        #expect(queue.popContiguous(at: at(90), bench.pool).isNone)
        var taken: [UInt8] = []
        var position = 120
        while true {
            let lease = queue.popContiguous(at: at(position), bench.pool)
            guard !lease.isNone else { break }
            taken += bench.payload(from: lease)
            position += Int(bench.space.state(of: lease).pointee.length)
            bench.pool.pointee.release(lease)
        }
        #expect(taken == BufferBench.pattern(280, from: 120))
        #expect(blocks(queue, bench) == [500..<600])
        // Bytes that arrived by another segment meanwhile are dropped.
        #expect(queue.popContiguous(at: at(700), bench.pool).isNone)
        #expect(queue.isEmpty && bench.leased == 0)
    }
}
