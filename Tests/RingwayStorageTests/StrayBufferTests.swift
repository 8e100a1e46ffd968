import RingwayStorage
import TestSupport
import Testing

/// Buffers that are released on another shard than the one they come from.
@Suite("Stray buffers")
struct StrayBufferTests {
    @Test func `are out of their pool until they are sent home`() {
        let bench = PoolBench(shards: 2)
        let lease = bench.lease(.large, shard: 0)
        bench.release(lease, shard: 1)
        #expect(bench.leased(shard: 0) == 1)
        #expect(bench.leased(shard: 1) == 0)
        #expect(bench.strayCount(shard: 1) == 1)
        let chain = bench.takeStrays(of: 0, shard: 1)
        #expect(bench.members(of: chain) == [lease])
        #expect(bench.strayCount(shard: 1) == 0)
        bench.acceptHome(chain, shard: 0)
        #expect(bench.leased(shard: 0) == 0)
        #expect(bench.lease(.large, shard: 0) == lease)
    }

    @Test func `wait for their last holder like any other`() {
        let bench = PoolBench(shards: 2)
        let lease = bench.lease(.small, shard: 0)
        bench.hold(lease, shard: 0)
        bench.release(lease, shard: 1)
        #expect(bench.strayCount(shard: 1) == 0)
        bench.release(lease, shard: 1)
        #expect(bench.strayCount(shard: 1) == 1)
    }

    @Test func `are collected by the shard they belong to`() {
        let bench = PoolBench(shards: 3)
        let first = bench.lease(.large, shard: 0)
        let second = bench.lease(.small, shard: 2)
        let third = bench.lease(.small, shard: 0)
        for lease in [first, second, third] { bench.release(lease, shard: 1) }
        #expect(bench.members(of: bench.takeStrays(of: 0, shard: 1)) == [first, third])
        #expect(bench.members(of: bench.takeStrays(of: 2, shard: 1)) == [second])
        #expect(bench.takeStrays(of: 0, shard: 1).isNone)
        #expect(bench.strayCount(shard: 1) == 0)
    }

    @Test func `wait for the next turn when they could not be sent`() {
        let bench = PoolBench(shards: 2)
        let leases = [bench.lease(.large), bench.lease(.large), bench.lease(.small)]
        for lease in leases { bench.release(lease, shard: 1) }
        let chain = bench.takeStrays(of: 0, shard: 1)
        bench.keepStrays(chain, of: 0, shard: 1)
        #expect(bench.strayCount(shard: 1) == 3)
        #expect(bench.members(of: bench.takeStrays(of: 0, shard: 1)) == leases)
    }

    @Test func `trap in a pool that is not theirs`() async {
        await #expect(processExitsWith: .failure) {
            let bench = PoolBench(shards: 2)
            bench.acceptHome(bench.lease(.large, shard: 0), shard: 1)
        }
    }

    @Test(arguments: [UInt64](1...16))
    func `are never lost and never doubled`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let shards = 3
        let bench = PoolBench(shards: shards, large: 8, small: 8)
        // The shard that currently owns each lease.
        var owners: [Lease: Int] = [:]
        for _ in 0..<3_000 {
            let shard = noise.below(shards)
            switch noise.below(4) {
            case 0, 1:
                let lease = bench.lease(noise.below(2) == 0 ? .large : .small, shard: shard)
                guard !lease.isNone else { continue }
                #expect(lease.shard == shard)
                #expect(owners[lease] == nil, "a buffer was handed out twice")
                owners[lease] = noise.below(shards)
            case 2:
                guard let (lease, owner) = owners.min(by: { $0.key.rawValue < $1.key.rawValue }) else { continue }
                bench.release(lease, shard: owner)
                owners[lease] = nil
            default:
                let home = noise.below(shards)
                guard home != shard else { continue }
                let chain = bench.takeStrays(of: home, shard: shard)
                if noise.below(4) == 0 {
                    bench.keepStrays(chain, of: home, shard: shard)
                } else {
                    bench.acceptHome(chain, shard: home)
                }
            }
        }
        for (lease, owner) in owners { bench.release(lease, shard: owner) }
        for shard in 0..<shards {
            for home in 0..<shards where home != shard {
                bench.acceptHome(bench.takeStrays(of: home, shard: shard), shard: home)
            }
        }
        for shard in 0..<shards {
            #expect(bench.leased(shard: shard) == 0)
            #expect(bench.strayCount(shard: shard) == 0)
        }
    }
}
