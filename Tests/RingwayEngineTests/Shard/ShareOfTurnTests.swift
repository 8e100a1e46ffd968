import CRingway
import Glibc
import RingwayLinks
import RingwayModel
import RingwayRing
import RingwayStorage
import Testing

@testable import RingwayEngine

/// How much of a turn a guest has where others share its shard.
@Suite("The share of a turn", .tags(.kernel))
struct ShareOfTurnTests {
    @Test("A guest that is alone in a turn does not pay for its sockets", arguments: BackEnd.here)
    func alone(backEnd: BackEnd) throws {
        let bench = try ComponentBench(backEnd)
        bench.core.setGuests(3)
        bench.core.setActiveGuests(1)
        let share = bench.core.frameAllowance(ofSize: 60)
        for _ in 0..<10 { bench.core.chargeSocket() }
        #expect(bench.core.frameAllowance(ofSize: 60) == share)
        #expect(bench.core.debt == 0)
    }

    @Test("Beside others a guest pays for its sockets before it brings more frames", arguments: BackEnd.here)
    func beside(backEnd: BackEnd) throws {
        let bench = try ComponentBench(backEnd)
        bench.core.setGuests(4)
        bench.core.setActiveGuests(4)
        let share = bench.core.frameAllowance(ofSize: 60)
        #expect(share > 0 && share < ShardCore.ringBuffers)
        bench.core.chargeSocket()
        let cost = bench.core.debt
        while bench.core.debt < 2 * share { bench.core.chargeSocket() }
        let owed = bench.core.debt
        #expect(bench.core.frameAllowance(ofSize: 60) == 0)
        // Another guest is not held to it.
        _ = bench.core.leave()
        bench.core.serve(2, bench.counters)
        #expect(bench.core.frameAllowance(ofSize: 60) == share)
        _ = bench.core.leave()
        bench.core.serve(1, bench.counters)
        #expect(bench.core.frameAllowance(ofSize: 60) == 0)
        #expect(bench.core.frameAllowance(ofSize: 60) == 3 * share - owed)
        #expect(bench.core.frameAllowance(ofSize: 60) == share)
        #expect(cost > 1 && cost < share)
    }

    @Test func `of large frames a guest beside others brings fewer, a guest alone as many`() throws {
        var shares = try TurnShares(largeBuffers: 2_000)
        shares.begin(active: 10, guests: 10)
        #expect(shares.frames(for: 1, ofSize: 1_514) == 8)
        #expect(shares.frames(for: 1, ofSize: 65_536) == 4)
        shares.begin(active: 2, guests: 10)
        #expect(shares.frames(for: 1, ofSize: 1_514) == 16)
        #expect(shares.frames(for: 1, ofSize: 65_536) == 8)
        shares.begin(active: 1, guests: 10)
        #expect(shares.frames(for: 1, ofSize: 65_536) == ShardCore.ringBuffers)
    }

    @Test(
        "A stream brings its share of frames in a turn and keeps the rest", arguments: BackEnd.here,
        StreamFraming.allCases)
    func stream(backEnd: BackEnd, framing: StreamFraming) throws {
        let ends = try #require(Endpoint.pair(type: Int32(SOCK_STREAM.rawValue)))
        defer { close(ends.other) }
        let bench = try ComponentBench(backEnd, link: ends.own, .stream(framing))
        var link = try bench.takeLink()
        defer { link.closeDescriptors() }
        let frame = Self.framed(Frames.addressRequest(), framing)
        let sent = Array(repeatElement(frame, count: 40).joined())
        #expect(write(ends.other, sent, sent.count) == sent.count)

        bench.core.setGuests(2)
        bench.core.setActiveGuests(4)
        let share = bench.core.frameAllowance(ofSize: 60)
        var turns: [Int] = []
        link.refill(&bench.core)
        var count = Self.take(from: &link, bench)
        #expect(count == 0)
        let completion = try #require(bench.completion())
        if let first = link.complete(completion, &bench.core) {
            bench.release(first.lease)
            count += 1
        }
        while turns.reduce(0, +) < 40, turns.count < 40 {
            turns.append(count + Self.take(from: &link, bench))
            count = 0
            let hasMore = link.hasFrames
            #expect(hasMore == (turns.reduce(0, +) < 40))
            link.refill(&bench.core)
        }
        #expect(turns.reduce(0, +) == 40)
        #expect(turns.dropLast().allSatisfy { $0 == share })

        // A guest that has the shard to itself gets all at once.
        bench.core.setGuests(1)
        link.refill(&bench.core)
        #expect(write(ends.other, sent, sent.count) == sent.count)
        #expect(Self.take(from: &link, bench) == 0)
        let next = try #require(bench.completion())
        if let first = link.complete(next, &bench.core) {
            bench.release(first.lease)
            count += 1
        }
        #expect(count + Self.take(from: &link, bench) == 40)
    }

    /// Takes all frames that the link has in this turn; how many there were.
    private static func take(from link: inout LinkPort, _ bench: ComponentBench) -> Int {
        var count = 0
        while let frame = link.nextFrame(&bench.core) {
            bench.release(frame.lease)
            count += 1
        }
        return count
    }

    /// A frame with its length before it, as a guest on a stream sends it.
    private static func framed(_ frame: [UInt8], _ framing: StreamFraming) -> [UInt8] {
        let body = framing == .agent ? frame : Array(frame.dropFirst(12))
        let size = framing == .vpnkit ? 2 : 4
        let prefix = (0..<size).map { UInt8(truncatingIfNeeded: body.count >> (8 * $0)) }
        return (framing == .qemu ? prefix.reversed() : prefix) + body
    }
}
