import Testing

@testable import RingwayResolver

@Suite struct GuestSharesTests {
    private final class Holder {
        let guest: UInt32
        let units: Int
        var ticket: GuestShares<Holder>.Ticket?

        init(_ guest: UInt32, units: Int = 1) {
            self.guest = guest
            self.units = units
        }
    }

    /// Shares with holders in the order in which they came.
    private final class Bench {
        var shares: GuestShares<Holder>
        var holders: [Holder] = []
        var displaced: [Holder] = []

        init(capacity: Int) { shares = GuestShares(capacity: capacity) }

        /// Whether the guest's request was granted.
        func ask(_ guest: UInt32, units: Int = 1) -> Bool {
            guard shares.admits(guest, units: units) else { return false }
            let holder = Holder(guest, units: units)
            holder.ticket = shares.take(holder, for: guest, units: units)
            holders.append(holder)
            while let other = shares.displaced {
                displaced.append(other)
                give(back: other)
            }
            return true
        }

        func give(back holder: Holder) {
            if let ticket = holder.ticket { shares.release(ticket) }
            holder.ticket = nil
            holders.removeAll { $0 === holder }
        }
    }

    @Test func `one guest has all that is free, and no more`() {
        let bench = Bench(capacity: 100)
        for _ in 0..<100 { #expect(bench.ask(1)) }
        #expect(!bench.ask(1))
        #expect(bench.shares.used == 100 && bench.displaced.isEmpty)
    }

    @Test func `a guest that asks gets its part from the greediest, the oldest first`() {
        let bench = Bench(capacity: 90)
        for _ in 0..<60 { _ = bench.ask(1) }
        for _ in 0..<30 { _ = bench.ask(2) }
        let oldest = bench.holders.filter { $0.guest == 1 }.prefix(30)
        for _ in 0..<30 { #expect(bench.ask(3)) }
        #expect(bench.displaced.elementsEqual(oldest, by: ===))
        #expect((1...3).map { bench.shares.used(by: $0) } == [30, 30, 30])
        #expect(!bench.ask(1) && !bench.ask(2) && !bench.ask(3))
    }

    @Test func `guests do not displace each other in turn`() {
        let bench = Bench(capacity: 5)
        for _ in 0..<3 { _ = bench.ask(1) }
        for _ in 0..<2 { _ = bench.ask(2) }
        #expect(!bench.ask(2) && !bench.ask(1))
        #expect(bench.displaced.isEmpty)
    }

    @Test func `a request beyond the whole bound is refused`() {
        let bench = Bench(capacity: 10)
        #expect(!bench.ask(1, units: 11))
        #expect(bench.ask(1, units: 10))
        #expect(!bench.ask(2, units: 11))
        #expect(bench.ask(2, units: 4))
        #expect(bench.displaced.count == 1 && bench.shares.used == 4)
    }

    @Test(arguments: [1, 2, 3] as [UInt64])
    func `the bound holds, and no guest below its share is refused or displaced`(seed: UInt64) {
        var generator = SeededGenerator(state: seed)
        let capacity = 64
        let guests: UInt32 = 8
        let bench = Bench(capacity: capacity)
        for _ in 0..<20_000 {
            let guest = UInt32.random(in: 0..<guests, using: &generator)
            if Int.random(in: 0..<3, using: &generator) > 0 {
                let before = bench.shares.used(by: guest)
                let displacedBefore = bench.displaced.count
                let greediest = bench.shares.greediest?.used ?? 0
                let isTaken = bench.ask(guest)
                if before < capacity / Int(guests) - 1 { #expect(isTaken) }
                for victim in bench.displaced[displacedBefore...] {
                    #expect(victim.guest != guest && greediest > capacity / Int(guests))
                }
            } else if let holder = bench.holders.randomElement(using: &generator) {
                bench.give(back: holder)
            }
            #expect(bench.shares.used == bench.holders.count && bench.shares.used <= capacity)
            for each in 0..<guests {
                #expect(bench.shares.used(by: each) == bench.holders.count { $0.guest == each })
            }
        }
    }
}
