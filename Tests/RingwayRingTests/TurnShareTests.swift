import CRingway
import Testing

@testable import RingwayReactor

@Suite("Shares of processor time")
struct TurnShareTests {
    /// The duration of a busy shard's turn, nanoseconds.
    private static let turn: UInt64 = 250_000

    /// A shard that works without ever waiting, and its usage.
    private final class BusyShard {
        var share: TurnShare
        var now: UInt64 = 1_000_000
        var usage = ThreadUsage()
        var paused: UInt64 = 0

        init(_ shares: TurnShares, guest: UInt16) { share = TurnShare(shares, guest: guest) }

        /// Works, and pauses as required, until an instant.
        func run(until end: UInt64) {
            while now < end {
                let start = now
                now += TurnShareTests.turn
                usage.nanoseconds += TurnShareTests.turn
                let pause = share.pause(turnStart: start, clock: { now }, used: usage)
                if pause > 0 { usage.waits += 1 }
                paused += pause
                now += pause
            }
        }
    }

    /// A mostly idle shard: one short turn each millisecond.
    private final class ModestShard {
        var share: TurnShare
        var usage = ThreadUsage()
        var now: UInt64 = 1_000_000

        init(_ shares: TurnShares, guest: UInt16) { share = TurnShare(shares, guest: guest) }

        func run(until end: UInt64) -> UInt64 {
            var paused: UInt64 = 0
            while now < end {
                usage.nanoseconds += 20_000
                usage.waits += 1
                paused += share.pause(turnStart: now, clock: { now }, used: usage)
                now += 1_000_000
            }
            return paused
        }
    }

    /// All shards in parallel, a millisecond at a time.
    private func run(_ busy: [BusyShard], beside modest: [ModestShard], from start: UInt64, until end: UInt64) -> UInt64
    {
        var pausedModest: UInt64 = 0
        for instant in stride(from: start, to: end, by: 1_000_000) {
            for shard in modest { pausedModest += shard.run(until: instant) }
            for shard in busy { shard.run(until: instant) }
        }
        return pausedModest
    }

    private static let second: UInt64 = 1_000_000_000

    @Test("leave a processor to a guest that wants little", arguments: [(2, 2), (2, 3), (4, 6), (1, 1), (1, 3)])
    func leaveProcessor(processors: Int, busy: Int) {
        let shares = TurnShares(processors: processors)
        let shards = (0..<busy).map { BusyShard(shares, guest: UInt16($0)) }
        let modest = ModestShard(shares, guest: 100)
        #expect(run(shards, beside: [modest], from: 1_000_000, until: Self.second) == 0)
        #expect(shares.busyShards == busy)
        let worked = shards.reduce(0) { $0 + Double($1.usage.nanoseconds) / Double(Self.second) }
        let left = processors == 1 ? 0.5 : Double(processors - 1)
        #expect(abs(worked - left) < 0.1 * left + 0.05, "\(worked) processors, of \(processors)")
    }

    @Test("take every processor while no other guest has a turn", arguments: [1, 2, 3])
    func aloneTakesAll(busy: Int) {
        let shares = TurnShares(processors: 2)
        let shards = (0..<busy).map { _ in BusyShard(shares, guest: 7) }
        // Of the same guest, whose own quiet shard does not make it pause.
        let own = ModestShard(shares, guest: 7)
        _ = run(shards, beside: [own], from: 1_000_000, until: Self.second)
        #expect(shards.allSatisfy { $0.paused == 0 })
    }

    @Test func `take every processor as long as fewer are busy than there are`() {
        let shares = TurnShares(processors: 4)
        let shards = (0..<3).map { BusyShard(shares, guest: UInt16($0)) }
        _ = run(shards, beside: [ModestShard(shares, guest: 100)], from: 1_000_000, until: Self.second)
        #expect(shards.allSatisfy { $0.paused == 0 })
    }

    @Test func `are all that there is again when the quiet guest has gone`() {
        let shares = TurnShares(processors: 2)
        let shards = (0..<2).map { BusyShard(shares, guest: UInt16($0)) }
        let modest = ModestShard(shares, guest: 100)
        _ = run(shards, beside: [modest], from: 1_000_000, until: Self.second)
        let paused = shards.map(\.paused)
        #expect(paused.allSatisfy { $0 > 0 })
        _ = run(shards, beside: [], from: Self.second, until: Self.second + 2 * TurnShares.memory)
        let after = shards.map(\.paused)
        _ = run(shards, beside: [], from: Self.second + 2 * TurnShares.memory, until: 2 * Self.second)
        #expect(shards.map(\.paused) == after)
    }

    @Test func `a shard that looks for work in place of sleeping is not busy`() {
        let shares = TurnShares(processors: 1)
        var share = TurnShare(shares, guest: 1)
        var usage = ThreadUsage()
        for turn in UInt64(1)..<4_000 {
            // All of the time is used, and each turn starts with polling.
            usage.nanoseconds += TurnShareTests.turn
            usage.waits += 1
            shares.note(modest: 2, now: turn * TurnShareTests.turn)
            #expect(
                share.pause(turnStart: turn * TurnShareTests.turn, clock: { turn * TurnShareTests.turn }, used: usage)
                    == 0)
        }
        #expect(shares.busyShards == 0)
    }

    @Test func `a shard that finds no more work is not counted any more, however long it would sleep`() {
        let shares = TurnShares(processors: 1)
        let shard = BusyShard(shares, guest: 1)
        shard.run(until: Self.second)
        #expect(shares.busyShards == 1)
        var turns = 0
        while let deadline = shard.share.deadline, turns < 10 {
            #expect(deadline > shard.now - TurnShareTests.turn && deadline <= shard.now + 4_000_000)
            shard.now = deadline
            shard.usage.waits += 1
            #expect(shard.share.pause(turnStart: deadline, clock: { deadline }, used: shard.usage) == 0)
            turns += 1
        }
        #expect(turns <= 2)
        #expect(shares.busyShards == 0)
        #expect(shard.share.deadline == nil)
    }

    @Test func `a shard that ends is not counted any more`() {
        let shares = TurnShares(processors: 1)
        do {
            let shard = BusyShard(shares, guest: 1)
            shard.run(until: Self.second)
            #expect(shares.busyShards == 1)
        }
        #expect(shares.busyShards == 0)
    }

    @Test func `the thread's usage grows with work and with waiting`() {
        let before = ThreadUsage.ofThread()
        let end = Reactor.clock() + 5_000_000
        while Reactor.clock() < end {}
        let worked = ThreadUsage.ofThread()
        #expect(worked.nanoseconds > before.nanoseconds)
        for _ in 0..<4 { ringway_pause_thread(1_000_000) }
        #expect(ThreadUsage.ofThread().waits >= worked.waits + 4)
        #expect(ThreadUsage.processors >= 1)
    }
}
