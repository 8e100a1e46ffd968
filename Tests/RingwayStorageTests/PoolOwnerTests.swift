import RingwayStorage
import Testing

@Suite("Owners of a pool's buffers")
struct PoolOwnerTests {
    @Test func `a buffer is charged to its owner until it is back, also if another owner releases it`() {
        let bench = PoolBench(large: 8, small: 8, owners: 3)
        bench.setOwner(1)
        let (large, small) = (bench.lease(.large), bench.lease(.small))
        #expect(bench.held(by: 1) == 2)
        bench.setOwner(2)
        let other = bench.lease(.large)
        bench.hold(large)
        bench.release(large)
        #expect(bench.held(by: 1) == 2 && bench.held(by: 2) == 1)
        bench.release(large)
        bench.release(small)
        #expect(bench.held(by: 1) == 0)
        bench.release(other)
        #expect(bench.held(by: 2) == 0)
    }

    @Test func `a buffer that changes hands is charged to who has it`() {
        let bench = PoolBench(large: 8, small: 8, owners: 3)
        bench.setOwner(1)
        let lease = bench.lease(.large)
        bench.setOwner(2)
        bench.charge(lease)
        #expect(bench.held(by: 1) == 0 && bench.held(by: 2) == 1)
        bench.release(lease)
        #expect(bench.held(by: 2) == 0)
    }

    @Test func `a buffer released on another shard is charged until it is home`() {
        let bench = PoolBench(shards: 2, owners: 2)
        bench.setOwner(1)
        let lease = bench.lease(.large)
        bench.release(lease, shard: 1)
        #expect(bench.held(by: 1) == 1)
        bench.acceptHome(bench.takeStrays(of: 0, shard: 1), shard: 0)
        #expect(bench.held(by: 1) == 0)
    }

    @Test func `an owner is beyond its share only while buffers run short`() {
        let bench = PoolBench(large: 16, owners: 3)
        bench.setShare(6)
        bench.setOwner(1)
        let own = (0..<7).map { _ in bench.lease(.large) }
        #expect(!bench.isBeyondShare && !bench.isPressed, "others want none")
        bench.setOwner(2)
        let others = (0..<2).map { _ in bench.lease(.large) }
        #expect(!bench.isBeyondShare && !bench.isPressed, "it has less than half of its share")
        bench.setOwner(1)
        #expect(bench.isBeyondShare && bench.isPressed)
        for lease in own + others { bench.release(lease) }
        #expect(!bench.isBeyondShare)
    }

    @Test func `one that is alone has no share to be beyond`() {
        let bench = PoolBench(large: 16)
        let own = (0..<16).map { _ in bench.lease(.large) }
        #expect(bench.isPressed && !bench.isBeyondShare)
        for lease in own { bench.release(lease) }
    }
}
