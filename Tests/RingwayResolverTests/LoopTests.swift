import Testing

@testable import RingwayResolver

@Suite struct LoopTests {
    @Test(arguments: [11, 12, 13] as [UInt64])
    func `The deadline queue gives the soonest, as a sorted list does`(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
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

    @Test func `Messages come out of a stream whole, however it is cut`() {
        let messages: [[UInt8]] = [[1, 2, 3], Array(repeating: 7, count: 300), [9], []]
        var wire: [UInt8] = []
        for message in messages { wire += MessageBuilder.word(UInt16(message.count)) + message }
        for size in 1...wire.count {
            var assembler = FrameAssembler()
            var found: [[UInt8]] = []
            for start in stride(from: 0, to: wire.count, by: size) {
                wire[start..<min(start + size, wire.count)].withUnsafeBytes { assembler.append($0) }
                while let message = assembler.next() { found.append(message) }
            }
            #expect(found == messages)
            #expect(assembler.waiting == 0)
        }
    }

    @Test func `Durations become nanoseconds without overflow`() {
        #expect(Duration.milliseconds(1500).nanoseconds == 1_500_000_000)
        #expect(Duration.seconds(-1).nanoseconds == 0)
        #expect(Duration.seconds(Int64.max).nanoseconds == 3_155_760_000_000_000_000)
    }
}
