import CRingway
import Glibc
import RingwayLinks
import RingwayRing
import RingwayStorage
import RingwaySystem
import RingwayWire
import Synchronization
import TestSupport
import Testing

private let features = KernelFeatures.probe()
private let isTapAllowed = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0

/// A link's queue with a ring and a pool of its own.
private final class QueueBench {
    let ring: RingBench
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>
    private var queue: Queue

    init(_ backEnd: BackEnd, _ descriptor: Int32, isMultishot: Bool) throws {
        let bench = try RingBench(backEnd)
        ring = bench
        space = MemoryFailure.trap { try BufferSpace(shards: 1, largeCount: 32, smallCount: 1) }
        pool = .allocate(capacity: 1)
        pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) })
        queue = try Queue(descriptor, &bench.ring, buffers: 16, group: 0, isMultishot: isMultishot)
    }

    deinit {
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
    }

    var leased: Int { @inline(never) get { pool.pointee.leased } }

    @inline(never) func refill() { queue.refill(&ring.ring, from: pool, OperationTag(kind: 1, index: 0)) }

    /// Lets the kernel see what is prepared.
    func submit() { _ = ring.ring.submitAndWait(nanoseconds: 0) }

    /// Lengths of the frames that arrive until the link is lost, and each time it is reported lost; ends when a while
    /// passes with nothing.
    @inline(never) func received() -> (frames: [Int], losses: [Int32]) {
        var frames: [Int] = []
        var losses: [Int32] = []
        var silence = 0
        for _ in 0..<50 where silence < 2 {
            refill()
            let completions = losses.isEmpty ? ring.completions(1) : ring.unexpected()
            silence = completions.isEmpty ? silence + 1 : 0
            for completion in completions {
                switch queue.take(completion, pool) {
                case .frame(let lease, let length):
                    frames.append(length)
                    pool.pointee.release(lease)
                case .lost(let errno): losses.append(errno)
                case .starved, .nothing: break
                }
            }
        }
        return (frames, losses)
    }
}

@Suite("Queue", .tags(.kernel))
struct QueueTests {
    static var kinds: [Bool] { features.hasMultishotRead ? [true, false] : [false] }

    @Test(arguments: BackEnd.here, kinds)
    func `a link whose other end is closed is lost, and said to be so once`(_ backEnd: BackEnd, isMultishot: Bool)
        throws
    {
        let (own, other) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(own) }
        let bench = try QueueBench(backEnd, own, isMultishot: isMultishot)
        Sockets.send([1, 2, 3], to: other)
        Sockets.close(other)
        let received = bench.received()
        #expect(received.frames == [3])
        #expect(received.losses == [ENODEV])
    }

    @Test(arguments: BackEnd.here, kinds)
    func `buffers that brought nothing go back to the pool`(_ backEnd: BackEnd, isMultishot: Bool) throws {
        let (own, other) = Sockets.pair(SOCK_SEQPACKET)
        defer { Sockets.close(own) }
        let bench = try QueueBench(backEnd, own, isMultishot: isMultishot)
        bench.refill()
        Sockets.close(other)
        let before = bench.leased
        _ = bench.received()
        #expect(bench.leased <= before)
    }

    /// What a queue gives when its device is deleted while reads are under way.
    private static func deleteTap(_ backEnd: BackEnd, isMultishot: Bool) throws -> [Int32] {
        guard ringway_unshare(ringway_kind_network()) == 0 else { throw SystemError(cannot: "unshare") }
        let tap = try TapDevice.make(name: "tap0", queues: 1).relinquish()[0]
        defer { Sockets.close(tap) }
        let bench = try QueueBench(backEnd, tap, isMultishot: isMultishot)
        bench.refill()
        bench.submit()
        // The program lives in the namespace of the thread that starts it.
        var words: [UnsafeMutablePointer<CChar>?] =
            (["ip", "link", "delete", "tap0"] as [String]).map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var program: pid_t = 0
        var status: Int32 = -1
        guard posix_spawnp(&program, "ip", nil, nil, &words, environ) == 0, waitpid(program, &status, 0) == program,
            status == 0
        else { throw SystemError(cannot: "delete the device") }
        return bench.received().losses
    }

    @Test(.enabled(if: isTapAllowed), .timeLimit(.minutes(1)), arguments: BackEnd.here, kinds)
    func `a device that is deleted is a link that is lost`(_ backEnd: BackEnd, isMultishot: Bool) throws {
        let outcome = Outcome()
        // The namespace ends with the thread.
        TestThread {
            outcome.result.withLock { $0 = Result { try Self.deleteTap(backEnd, isMultishot: isMultishot) } }
        }.join()
        let losses = try #require(outcome.result.withLock { $0 }).get()
        #expect(losses == [EBADFD])
    }

    private final class Outcome: Sendable {
        let result = Mutex<Result<[Int32], any Error>?>(nil)
    }
}
