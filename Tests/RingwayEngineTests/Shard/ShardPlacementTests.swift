import Testing

@testable import RingwayEngine

@Suite("Placement on shards")
struct ShardPlacementTests {
    @Test func `guests with one queue are spread over all shards`() throws {
        var placement = ShardPlacement(count: 4, limit: 100)
        var loads = [0, 0, 0, 0]
        for _ in 0..<40 {
            let places = placement.place(queues: 1)
            loads[Int(try #require(places?.first).shard)] += 1
        }
        #expect(loads == [10, 10, 10, 10])
    }

    @Test func `the queues of a guest go to different shards, and only then to the same`() throws {
        var placement = ShardPlacement(count: 3, limit: 100)
        let found = placement.place(queues: 5)
        let places = try #require(found)
        #expect(places.map(\.shard) == [0, 1, 2, 0, 1])
        #expect(Set(places).count == 5)
    }

    @Test func `a slot is used again with another generation, and never before it is free`() throws {
        var placement = ShardPlacement(count: 1, limit: 2)
        let found = placement.place(queues: 2)
        let first = try #require(found)
        let beyond = placement.place(queues: 1)
        #expect(beyond == nil)
        placement.free(first[1])
        let again = placement.place(queues: 1)
        let second = try #require(again?.first)
        #expect(second.slot == first[1].slot && second.generation == first[1].generation + 1)
        #expect(placement.count == 2)
    }

    @Test func `a guest that does not fit takes no place`() {
        var placement = ShardPlacement(count: 2, limit: 1)
        let beyond = placement.place(queues: 3)
        #expect(beyond == nil)
        #expect(placement.count == 0)
        let places = placement.place(queues: 2)
        #expect(places != nil)
    }
}
