import Testing

@testable import RingwayEngine

@Suite("Placement on shards")
struct ShardPlacementTests {
    @Test func `guests with one queue are spread over all shards`() throws {
        var placement = ShardPlacement(count: 4, limit: 100)
        var loads = [0, 0, 0, 0]
        for _ in 0..<40 {
            let places = try #require(placement.place(queues: 1))
            loads[Int(places[0].shard)] += 1
        }
        #expect(loads == [10, 10, 10, 10])
    }

    @Test func `the queues of a guest go to different shards, and only then to the same`() throws {
        var placement = ShardPlacement(count: 3, limit: 100)
        let places = try #require(placement.place(queues: 5))
        #expect(places.map(\.shard) == [0, 1, 2, 0, 1])
        #expect(Set(places).count == 5)
    }

    @Test func `a slot is used again with another generation, and never before it is free`() throws {
        var placement = ShardPlacement(count: 1, limit: 2)
        let first = try #require(placement.place(queues: 2))
        #expect(placement.place(queues: 1) == nil)
        placement.free(first[1])
        let second = try #require(placement.place(queues: 1))
        #expect(second[0].slot == first[1].slot && second[0].generation == first[1].generation + 1)
        #expect(placement.count == 2)
    }

    @Test func `a guest that does not fit takes no place`() throws {
        var placement = ShardPlacement(count: 2, limit: 1)
        #expect(placement.place(queues: 3) == nil)
        #expect(placement.count == 0)
        #expect(placement.place(queues: 2) != nil)
    }
}
