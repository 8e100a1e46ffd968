import TestSupport
import Testing

@testable import RingwaySystem

@Suite("The queue of deadlines")
struct DeadlineQueueTests {
    @Test(arguments: [11, 12, 13] as [UInt64])
    func `gives the soonest, as a sorted list does`(seed: UInt64) {
        var generator = SeededNoise(seed: seed)
        let members = (0..<50).map { _ in LoopMember() }
        var model: [Int: UInt64] = [:]
        var queue = DeadlineQueue()
        for _ in 0..<5000 {
            let index = Int.random(in: members.indices, using: &generator)
            switch Int.random(in: 0..<4, using: &generator) {
            case 0, 1:
                let instant = UInt64.random(in: 0..<100, using: &generator)
                queue.schedule(members[index], at: instant)
                model[index] = instant
            case 2:
                queue.cancel(members[index])
                model[index] = nil
            default:
                let now = UInt64.random(in: 0..<30, using: &generator)
                let popped = queue.popPassed(now: now)
                let soonest = model.values.min()
                if let popped, let place = members.firstIndex(where: { $0 === popped }) {
                    #expect(model[place] == soonest)
                    #expect(model[place].map { $0 <= now } == true)
                    model[place] = nil
                } else {
                    #expect((soonest ?? .max) > now)
                }
            }
            #expect(queue.count == model.count)
            #expect(queue.soonest == model.values.min())
        }
    }
}
