import RingwayStack
import RingwayWire
import TestSupport
import Testing

@Suite("The scoreboard")
struct ScoreboardTests {
    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func `holds what a set of bytes holds, as long as the ranges are few`(_ seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        // Half of the runs cross the end of the sequence space.
        let base = seed % 2 == 0 ? UInt32.max - 150 : UInt32(truncatingIfNeeded: noise.next())
        var board = Scoreboard()
        var model = Set<Int>()
        var acknowledged = 0
        for _ in 0..<60 {
            if noise.next() % 5 == 0 {
                acknowledged = min(300, acknowledged + Int(noise.next() % 30))
                board.acknowledge(upTo: SequenceNumber(base &+ UInt32(acknowledged)))
                model = model.filter { $0 >= acknowledged }
            } else {
                let start = acknowledged + Int(noise.next() % 250)
                let end = start + 1 + Int(noise.next() % 60)
                var next = model
                next.formUnion(start..<end)
                guard rangeCount(next) <= 8 else { continue }
                model = next
                board.insert(
                    start: SequenceNumber(base &+ UInt32(start)), end: SequenceNumber(base &+ UInt32(end)))
            }
            check(board, model, base, from: acknowledged)
        }
    }

    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func `beyond its room it forgets, and never invents`(_ seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        var board = Scoreboard()
        var model = Set<Int>()
        for _ in 0..<100 {
            let start = Int(noise.next() % 2_000)
            let end = start + 1 + Int(noise.next() % 20)
            model.formUnion(start..<end)
            board.insert(start: SequenceNumber(UInt32(start)), end: SequenceNumber(UInt32(end)))
            var held = 0
            for position in 0..<2_020 where holds(board, position, base: 0) {
                held += 1
                #expect(model.contains(position))
            }
            #expect(held > 0)
            #expect(board.count <= 8)
        }
    }

    private func rangeCount(_ set: Set<Int>) -> Int { set.filter { !set.contains($0 - 1) }.count }

    private func holds(_ board: Scoreboard, _ position: Int, base: UInt32) -> Bool {
        let start = SequenceNumber(base &+ UInt32(position))
        return board.bytes(from: start, to: start.advanced(by: 1)) == 1
    }

    private func check(_ board: Scoreboard, _ model: Set<Int>, _ base: UInt32, from acknowledged: Int) {
        #expect(board.isEmpty == model.isEmpty)
        #expect(board.count == rangeCount(model))
        if let highest = model.max() { #expect(board.highest == SequenceNumber(base &+ UInt32(highest + 1))) }
        let start = SequenceNumber(base &+ UInt32(acknowledged))
        let limit = SequenceNumber(base &+ 700)
        #expect(Int(board.bytes(from: start, to: limit)) == model.count)
        // Walking from hole to hole visits exactly what is missing.
        var position = acknowledged
        while position < 700 {
            let hole = board.hole(from: SequenceNumber(base &+ UInt32(position)), limit: limit)
            let from = Int(hole.start.rawValue &- base)
            let end = Int(hole.end.rawValue &- base)
            #expect((position..<from).allSatisfy { model.contains($0) })
            #expect((from..<end).allSatisfy { !model.contains($0) })
            guard end > position else { break }
            position = end
        }
    }
}
