import CRingway
import Glibc
import Testing

@testable import RingwayRing

/// What a thread that is hijacked can still do with its ring.
@Suite("Ring restrictions", .tags(.kernel), .enabled(if: KernelFeatures.probe().hasRing))
struct RingRestrictionsTests {
    /// The opcodes that the running kernel knows.
    private static func knownCodes() throws -> ClosedRange<UInt8> {
        let probe = try #require(io_uring_get_probe())
        defer { io_uring_free_probe(probe) }
        return 0...probe.pointee.last_op
    }

    @Test func `refuse every operation that the table lacks`() throws {
        let bench = try RingBench(.ioUring, entries: 128, isRestricted: true)
        let allowed = Set(RingRestrictions.operations.map(\.code))
        let refused = try Self.knownCodes().filter { !allowed.contains($0) }
        #expect(refused.count > 30)
        for code in refused {
            bench.prepare(UInt32(code)) { io_uring_prep_rw(Int32(code), $0, -1, nil, 0, 0) }
        }
        let completions = bench.completions(refused.count)
        #expect(completions.map(\.tag.index) == refused.map { UInt32($0) })
        #expect(completions.allSatisfy { $0.result == -EACCES })
    }

    @Test func `let every operation of the table through`() throws {
        let bench = try RingBench(.ioUring, entries: 128, isRestricted: true)
        let features = KernelFeatures.probe()
        let allowed = RingRestrictions.operations.filter { $0.isKnown(features) }.map(\.code)
        for code in allowed { bench.prepare(UInt32(code)) { io_uring_prep_rw(Int32(code), $0, -1, nil, 0, 0) } }
        let completions = bench.completions(allowed.count)
        // The descriptor is invalid, and cancellation finds nothing.
        #expect(Set(completions.map(\.tag.index)) == Set(allowed.map { UInt32($0) }))
        #expect(completions.allSatisfy { $0.result < 0 && $0.result != -EACCES })
    }

    @Test(arguments: [
        IOSQE_FIXED_FILE_BIT, IOSQE_IO_DRAIN_BIT, IOSQE_IO_LINK_BIT, IOSQE_IO_HARDLINK_BIT, IOSQE_ASYNC_BIT,
    ])
    func `refuse flags that Ringway does not use`(_ bit: Int) throws {
        let bench = try RingBench(.ioUring, isRestricted: true)
        bench.prepare(1) {
            io_uring_prep_poll_add($0, 0, UInt32(POLLIN))
            $0.pointee.flags = UInt8(1 << bit)
        }
        #expect(bench.completions(1).map(\.result) == [-EACCES])
    }

    @Test func `refuse files, memory, personalities and further restrictions`() throws {
        let bench = try RingBench(.ioUring, isRestricted: true)
        let ring = bench.ring.ring
        #expect(io_uring_register_files(ring, [0], 1) == -EACCES)
        #expect(io_uring_register_buffers(ring, [iovec()], 1) == -EACCES)
        #expect(io_uring_register_personality(ring) == -EACCES)
        #expect(io_uring_register_eventfd(ring, 0) == -EACCES)
        #expect(io_uring_get_probe_ring(ring) == nil)
        #expect(ringway_restrict(ring, [0], 1, [], 0, 0) == -EACCES)
    }

    @Test func `name each operation once, with its use and what it leaves to an attacker`() {
        #expect(Set(RingRestrictions.operations.map(\.code)).count == RingRestrictions.operations.count)
        #expect(Set(RingRestrictions.operations.map(\.name)).count == RingRestrictions.operations.count)
        #expect(RingRestrictions.operations.allSatisfy { !$0.use.isEmpty && !$0.leaves.isEmpty })
    }
}
