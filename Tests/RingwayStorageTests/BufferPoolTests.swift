import RingwayStorage
import TestSupport
import Testing

@Suite("Buffer pool")
struct BufferPoolTests {
    @Test func `hands out the buffer given back last`() {
        let bench = PoolBench()
        let first = bench.lease(.large)
        let second = bench.lease(.large)
        bench.release(first)
        bench.release(second)
        #expect(bench.lease(.large) == second)
        #expect(bench.lease(.large) == first)
    }

    @Test func `touches a fresh buffer only when every used one is out`() {
        let bench = PoolBench(large: 8)
        let first = bench.lease(.large)
        bench.release(first)
        for _ in 0..<100 {
            let lease = bench.lease(.large)
            #expect(lease == first)
            bench.release(lease)
        }
    }

    @Test func `answers none when all are out, and keeps the kinds apart`() {
        let bench = PoolBench(large: 2, small: 3)
        let large = [bench.lease(.large), bench.lease(.large)]
        #expect(bench.lease(.large).isNone)
        #expect(bench.smallAvailable() == 3)
        let small = [bench.lease(.small), bench.lease(.small), bench.lease(.small)]
        #expect(bench.lease(.small).isNone)
        #expect(bench.leased() == 5)
        for lease in large + small { bench.release(lease) }
        #expect(bench.leased() == 0)
        #expect(bench.largeAvailable() == 2)
    }

    @Test func `takes the smallest buffer that fits, and a large one when those are used up`() {
        let bench = PoolBench(large: 2, small: 1)
        let fits = bench.lease(fitting: BufferSpace.smallSize)
        #expect(fits.isSmall)
        let spilled = bench.lease(fitting: 1)
        #expect(!spilled.isNone && !spilled.isSmall)
        let large = bench.lease(fitting: BufferSpace.smallSize + 1)
        #expect(!large.isNone && !large.isSmall)
        #expect(bench.lease(fitting: 1).isNone)
    }

    @Test func `keeps a buffer until its last holder lets go`() {
        let bench = PoolBench()
        let lease = bench.lease(.small)
        bench.hold(lease)
        bench.hold(lease)
        bench.release(lease)
        bench.release(lease)
        #expect(bench.leased() == 1)
        bench.release(lease)
        #expect(bench.leased() == 0)
    }

    @Test func `forgets what the last holder remembered`() {
        let bench = PoolBench()
        let lease = bench.lease(.large)
        bench.space.state(of: lease).pointee.offset = 9
        bench.space.state(of: lease).pointee.attached = bench.lease(.small)
        bench.release(lease)
        let again = bench.lease(.large)
        let state = bench.space.state(of: again).pointee
        #expect(again == lease)
        #expect(state.offset == 0 && state.attached.isNone && state.holds == 1 && state.next.isNone)
    }

    @Test func `lays no two buffers over each other`() {
        let bench = PoolBench(shards: 2, large: 3, small: 3)
        var leases: [Lease] = []
        for shard in 0..<2 {
            for _ in 0..<3 { leases += [bench.lease(.large, shard: shard), bench.lease(.small, shard: shard)] }
        }
        for (number, lease) in leases.enumerated() {
            bench.space.address(of: lease).initializeMemory(
                as: UInt8.self, repeating: UInt8(number), count: bench.space.size(of: lease))
        }
        for (number, lease) in leases.enumerated() {
            let bytes = UnsafeRawBufferPointer(
                start: bench.space.address(of: lease), count: bench.space.size(of: lease))
            #expect(bytes.allSatisfy { $0 == UInt8(number) })
        }
    }

    @Test func `finds the payload by the state's offset`() {
        let bench = PoolBench()
        let lease = bench.lease(.large)
        bench.space.state(of: lease).pointee.offset = 2_048
        #expect(bench.space.payload(of: lease) - bench.space.address(of: lease) == 2_048)
    }

    @Test func `aligns large buffers to pages`() {
        let bench = PoolBench()
        #expect(BufferSpace.largeSize.isMultiple(of: 4_096))
        for _ in 0..<4 {
            let lease = bench.lease(.large)
            #expect(UInt(bitPattern: bench.space.address(of: lease)).isMultiple(of: 4_096))
        }
    }

    @Test(arguments: [UInt64](1...16))
    func `agrees with a list of owners under any order of calls`(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let bench = PoolBench(large: 16, small: 32)
        var holds: [Lease: Int] = [:]
        for _ in 0..<5_000 {
            switch noise.below(4) {
            case 0, 1:
                let kind: Lease.Kind = noise.below(2) == 0 ? .large : .small
                let out = holds.keys.count { $0.isSmall == (kind == .small) }
                let lease = bench.lease(kind)
                #expect(lease.isNone == (out == (kind == .small ? 32 : 16)))
                guard !lease.isNone else { continue }
                #expect(holds[lease] == nil, "a buffer was handed out twice")
                holds[lease] = 1
            case 2:
                guard let lease = holds.keys.min(by: { $0.rawValue < $1.rawValue }) else { continue }
                bench.hold(lease)
                holds[lease, default: 0] += 1
            default:
                guard let (lease, count) = holds.max(by: { $0.key.rawValue < $1.key.rawValue }) else { continue }
                bench.release(lease)
                holds[lease] = count == 1 ? nil : count - 1
            }
            #expect(bench.leased() == holds.count)
        }
    }

    @Test func `traps when a buffer is released more often than held`() async {
        await #expect(processExitsWith: .failure) {
            let bench = PoolBench()
            let lease = bench.lease(.large)
            bench.release(lease)
            bench.release(lease)
        }
    }
}
