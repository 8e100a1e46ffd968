import Testing

@testable import RingwayStorage

/// What two shards write, and whether processors can tell it apart.
@Suite("Cache lines")
struct CacheLinesTests {
    /// Where an allocation that one shard writes begins, and how long it is.
    struct Extent {
        let start: Int
        let end: Int

        init<Element: ~Copyable>(_ pointer: UnsafeMutablePointer<Element>, _ count: Int) {
            start = Int(bitPattern: pointer)
            end = start + count * MemoryLayout<Element>.stride
        }

        /// Whether no line of 128 bytes holds parts of both.
        func isApart(from other: Extent) -> Bool {
            start / 128 > (other.end - 1) / 128 || other.start / 128 > (end - 1) / 128
        }
    }

    @Test func `producer and consumer of a mailbox write out of each other's reach`() {
        let mailbox = MemoryFailure.trap { try Mailbox<UInt64>(capacity: 16) }
        defer { mailbox.deallocate() }
        let producer = Extent(mailbox.producer, 1)
        let consumer = Extent(mailbox.consumer, 1)
        #expect(producer.isApart(from: consumer))
        #expect(Extent(mailbox.slots, 16).isApart(from: consumer))
        #expect(Extent(mailbox.slots, 16).isApart(from: producer))
    }

    @Test func `two mailboxes made in a row are apart`() {
        let (one, two) = (
            MemoryFailure.trap { try Mailbox<UInt64>(capacity: 1) },
            MemoryFailure.trap { try Mailbox<UInt64>(capacity: 1) }
        )
        defer {
            one.deallocate()
            two.deallocate()
        }
        for first in [Extent(one.producer, 1), Extent(one.consumer, 1), Extent(one.slots, 1)] {
            for second in [Extent(two.producer, 1), Extent(two.consumer, 1), Extent(two.slots, 1)] {
                #expect(first.isApart(from: second))
            }
        }
    }

    @Test func `small allocations of two shards that alternate are apart`() {
        var extents: [[Extent]] = [[], []]
        var blocks: [UnsafeMutablePointer<UInt64>] = []
        for number in 0..<200 {
            let block = MemoryFailure.trap { try UnsafeMutablePointer<UInt64>.allocateApart(capacity: 1 + number % 40) }
            blocks.append(block)
            extents[number % 2].append(Extent(block, 1 + number % 40))
        }
        for one in extents[0] {
            for other in extents[1] where !one.isApart(from: other) { Issue.record("\(one) \(other)") }
        }
        for block in blocks { block.deallocate() }
    }

    /// What a shard keeps in this module.
    struct Storage: ~Copyable {
        let pool: BufferPool
        let slab = MemoryFailure.trap { try Slab<UInt8>(capacity: 3) }
        let wheel = MemoryFailure.trap { try TimerWheel(capacity: 3, now: 0) }

        init(_ space: BufferSpace, shard: Int) {
            pool = MemoryFailure.trap { try BufferPool(space: space, shard: shard) }
        }

        var extents: [Extent] {
            let region = pool.space.regions[pool.shard]
            return [
                Extent(pool.large.slots, 3), Extent(pool.small.slots, 3), Extent(pool.strays, 2),
                Extent(region.largeStates, 3), Extent(region.smallStates, 3), Extent(slab.elements, 3),
                Extent(slab.generations, 3), Extent(slab.free, 3), Extent(wheel.nodes, 3),
                Extent(wheel.occupied, TimerWheel.levels), Extent(wheel.heads, TimerWheel.levels * 64),
            ]
        }
    }

    @Test func `what two shards' pools, tables and wheels write is apart`() {
        let space = MemoryFailure.trap { try BufferSpace(shards: 2, largeCount: 3, smallCount: 3) }
        defer { space.deallocate() }
        let first = Storage(space, shard: 0)
        let second = Storage(space, shard: 1)
        for one in first.extents {
            for other in second.extents where !one.isApart(from: other) { Issue.record("\(one) \(other)") }
        }
    }

    @Test func `two shards' counters are apart`() {
        let (one, two) = (Counters(), Counters())
        defer {
            one.deallocate()
            two.deallocate()
        }
        let count = Metric.allCases.count + Counters.reasons
        #expect(Extent(one.words, count).isApart(from: Extent(two.words, count)))
    }
}
