import RingwayStack
import RingwayStorage
import Testing

@Suite("Effect")
struct EffectTests {
    /// Effects are copied into the queue and out of it for every frame.
    @Test func `an effect fills a cache line, and a lease's state half of one`() {
        #expect(MemoryLayout<Effect>.stride == 64)
        #expect(MemoryLayout<LeaseState>.stride == 32)
    }

    @Test func `a frame names its buffer and nothing else`() {
        let effect = Effect.frame(Lease(rawValue: 7), offset: 12, length: 60)
        #expect(effect.kind == .writeFrame)
        #expect(effect.lease.rawValue == 7 && effect.offset == 12 && effect.length == 60)
        #expect(effect.payload.isNone)
        #expect(effect.socket == Effect.noSocket)
        #expect(effect.limit == 0 && effect.sourcePort == 0)
        #expect(!effect.isUrgent && !effect.solicits && !effect.reportsEnd && !effect.dontFragment)
    }
}
