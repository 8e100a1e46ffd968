import RingwayStorage
import Testing

@Suite("Hand of idleness")
struct IdleHandTests {
    /// A slab behind a reference, so that expectations can read it.
    private final class Bench {
        private var slab = MemoryFailure.trap { try Slab<UInt64>(capacity: 2_048) }
        private var hand = IdleHand()

        func insert(_ time: UInt64) { _ = slab.insert(time) }
        func remove(_ slot: UInt32) { slab.remove(slot: slot) }
        func idlest() -> UInt32? { hand.idlest(of: slab) { $0.pointee == 0 ? nil : $0.pointee }?.slot }
    }

    @Test func `finds the one idle for longest of few, those that do not count aside`() {
        let bench = Bench()
        #expect(bench.idlest() == nil)
        for time: UInt64 in [50, 0, 20, 30] { bench.insert(time) }
        #expect(bench.idlest() == 2)
        bench.remove(2)
        #expect(bench.idlest() == 3)
    }

    @Test func `comes to all of many in turn`() {
        let bench = Bench()
        for index: UInt64 in 0..<1_024 { bench.insert(1_000 + index) }
        let found = (0..<4).compactMap { _ in bench.idlest() }
        #expect(found == [0, 256, 512, 768])
        #expect(bench.idlest() == 0)
    }
}
