import TestSupport
import Testing

@testable import RingwayStorage

@Suite("Lease")
struct LeaseTests {
    @Test(arguments: [0, 1, 63], [Lease.Kind.large, .small])
    func `names its shard, its kind and its slot`(shard: Int, kind: Lease.Kind) {
        for slot: UInt32 in [0, 1, 0x7F_FFFE] {
            let lease = Lease(shard: shard, kind: kind, slot: slot)
            #expect(lease.shard == shard)
            #expect(lease.isSmall == (kind == .small))
            #expect(lease.slot == Int(slot))
            #expect(!lease.isNone)
            #expect(Lease(rawValue: lease.rawValue) == lease)
        }
    }

    @Test func `fits the index of an operation tag`() {
        #expect(MemoryLayout<Lease>.size == 4)
        #expect(MemoryLayout<LeaseState>.stride == 32)
    }

    @Test func `is none for no buffer that exists`() {
        #expect(Lease.none.isNone)
        #expect(Lease.none.shard >= BufferSpace.maximumShards)
    }
}

@Suite("Lease queue")
struct LeaseQueueTests {
    @Test func `is empty at first and answers none`() {
        let bench = PoolBench()
        var queue = LeaseQueue()
        #expect(queue.isEmpty)
        #expect(queue.popFirst(in: bench.space).isNone)
        #expect(queue.bytes == 0)
    }

    @Test(arguments: [UInt64](1...32))
    func `gives back what went in, in order, and counts its bytes`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let bench = PoolBench(large: 64, small: 64)
        var queue = LeaseQueue()
        var model: [(lease: Lease, length: Int)] = []
        for _ in 0..<2_000 {
            if noise.below(2) == 0 {
                let lease = bench.lease(noise.below(2) == 0 ? .large : .small)
                guard !lease.isNone else { continue }
                let length = noise.below(70_000)
                bench.space.state(of: lease).pointee.length = UInt32(length)
                queue.append(lease, in: bench.space)
                model.append((lease, length))
            } else {
                let lease = queue.popFirst(in: bench.space)
                #expect(lease == model.first?.lease ?? .none)
                guard !model.isEmpty else { continue }
                model.removeFirst()
                #expect(bench.space.state(of: lease).pointee.next.isNone)
                bench.release(lease)
            }
            #expect(queue.bytes == model.reduce(0) { $0 + $1.length })
            #expect(queue.isEmpty == model.isEmpty)
            #expect(bench.members(of: queue.head) == model.map(\.lease))
            #expect(queue.tail == model.last?.lease ?? .none)
        }
        bench.releaseAll(&queue)
        #expect(queue.isEmpty)
        #expect(bench.leased() == 0)
    }
}
