import CRingway
import Glibc
import RingwayReactor
import RingwayRing
import RingwayStorage
import Testing

/// A lease ring with a ring and a pool of its own.
private final class LeaseRingBench {
    let ring: RingBench
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>
    private var leases: LeaseRing

    init(
        _ backEnd: BackEnd, capacity: Int = 16, least: Int = 4, headroom: Int = 0, reserve: Int = 0, buffers: Int = 64
    ) throws {
        let bench = try RingBench(backEnd)
        ring = bench
        space = MemoryFailure.trap { try BufferSpace(shards: 1, largeCount: buffers, smallCount: 1) }
        pool = .allocate(capacity: 1)
        pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) })
        leases = try LeaseRing(
            &bench.ring, capacity: capacity, least: least, group: 0, headroom: headroom, reserve: reserve)
    }

    deinit {
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
    }

    var available: Int { @inline(never) get { leases.available } }
    var leased: Int { @inline(never) get { pool.pointee.leased } }
    @inline(never) @discardableResult func refill() -> Bool { leases.refill(from: pool) }
    @inline(never) func grow() { leases.grow() }
    func take(_ completion: Completion) -> Lease { leases.take(completion.bufferIdentifier) }
    func drain() { leases.drain(into: pool) }
    func lease() -> Lease { pool.pointee.lease(.large) }
    func release(_ lease: Lease) { pool.pointee.release(lease) }

    // Not inlined, and loops stand here: the optimiser of Swift 6.3.1 fails on them in a test's own body.

    @inline(never) func refill(times: Int) {
        for _ in 0..<times { refill() }
    }

    @inline(never) func release(_ leases: [Lease]) {
        for lease in leases { release(lease) }
    }

    /// The leases of `count` receives of one byte each, as far as they found a buffer.
    @inline(never) func receiveAndTake(_ count: Int) -> [Lease] {
        (0..<count).compactMap { byte in receive([UInt8(byte)]).map { take($0) } }
    }

    /// Receives `bytes` into a buffer of the ring.
    func receive(_ bytes: [UInt8]) -> Completion? {
        let (reader, writer) = Sockets.pair(SOCK_STREAM)
        defer { Sockets.close(reader, writer) }
        Sockets.send(bytes, to: writer)
        ring.prepare(1) { ringway_prepare_receive_select($0, reader, 4_096, 0) }
        return ring.completions(1).first
    }
}

@Suite("Lease ring", .tags(.kernel))
struct LeaseRingTests {
    @Test(arguments: BackEnd.here) func `holds few buffers ordinarily`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd)
        #expect(bench.available == 0)
        #expect(bench.refill())
        #expect(bench.available == 4 && bench.leased == 4)
        #expect(bench.refill())
        #expect(bench.leased == 4)
    }

    @Test(arguments: BackEnd.here)
    func `gives the lease that the data was put in, behind the headroom`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd, headroom: 128)
        bench.refill()
        let completion = try #require(bench.receive([1, 2, 3]))
        let lease = bench.take(completion)
        let bytes = UnsafeRawBufferPointer(start: bench.space.address(of: lease) + 128, count: 3)
        #expect(Array(bytes) == [1, 2, 3])
        #expect(bench.available == 3 && bench.leased == 4)
        bench.release(lease)
        #expect(bench.leased == 3)
        bench.refill()
        #expect(bench.available == 4 && bench.leased == 4)
    }

    @Test(arguments: BackEnd.here) func `uses the buffer again that was used last`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd, least: 1)
        var seen: Set<Lease> = []
        for byte in UInt8(0)..<20 {
            bench.refill()
            let completion = try #require(bench.receive([byte]))
            let lease = bench.take(completion)
            seen.insert(lease)
            bench.release(lease)
        }
        #expect(seen.count == 1)
    }

    @Test(arguments: BackEnd.here) func `grows to its capacity and no further`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd)
        bench.refill()
        for expected in [8, 16, 16] {
            bench.grow()
            bench.refill()
            #expect(bench.available == expected)
        }
    }

    @Test(arguments: BackEnd.here)
    func `shrinks when it is hardly used, but not below its least`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd)
        bench.grow()
        bench.grow()
        bench.refill()
        #expect(bench.available == 16)
        // Three times the rest that it takes to shrink: 16, 8, 4.
        bench.refill(times: 3 * 4_096)
        // Buffers that the kernel has stay with it; none is added until fewer than the least are left.
        #expect(bench.available == 16)
        let taken = bench.receiveAndTake(14)
        #expect(taken.count == 14)
        #expect(bench.available == 2)
        bench.refill()
        #expect(bench.available == 4)
        bench.release(taken)
        #expect(bench.leased == 4)
    }

    @Test(arguments: BackEnd.here) func `leaves the reserve in the pool`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd, reserve: 6, buffers: 8)
        #expect(bench.refill())
        #expect(bench.available == 2)
        let others = (0..<6).map { _ in bench.lease() }
        #expect(others.allSatisfy { !$0.isNone })
        #expect(bench.lease().isNone)
        for lease in others { bench.release(lease) }
    }

    @Test(arguments: BackEnd.here)
    func `is empty when the pool is dry and filled when buffers come back`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd, buffers: 8)
        let held = (0..<8).map { _ in bench.lease() }
        #expect(!bench.refill())
        #expect(bench.available == 0)
        for lease in held { bench.release(lease) }
        #expect(bench.refill())
        #expect(bench.available == 4)
    }

    @Test(arguments: BackEnd.here) func `gives every buffer back when it is drained`(_ backEnd: BackEnd) throws {
        let bench = try LeaseRingBench(backEnd)
        bench.grow()
        bench.refill()
        let completion = try #require(bench.receive([1]))
        let lease = bench.take(completion)
        bench.drain()
        #expect(bench.leased == 1)
        bench.release(lease)
        #expect(bench.leased == 0)
    }

    @Test func `traps on a buffer that the kernel was not given`() async {
        await #expect(processExitsWith: .failure) {
            guard let bench = try? LeaseRingBench(.epoll) else { return }
            bench.refill()
            _ = bench.take(Completion(tag: OperationTag(rawValue: 0), result: 1, flags: 15 << 16 | 1))
        }
    }
}
