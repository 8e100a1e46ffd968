import RingwayStorage
import Synchronization
import TestSupport
import Testing

@Suite("Budget of descriptors")
struct DescriptorBudgetTests {
    /// A member that returns descriptors as soon as they are requested, from flows of one descriptor each.
    private final class Payer: Sendable {
        let share: DescriptorShare
        private let calls = Atomic(0)

        init(_ budget: DescriptorBudget, standing: Int = 0) throws {
            share = try #require(budget.join(standing: standing))
            share.onDemand { [weak self] in self?.pay() }
        }

        private func pay() {
            calls.wrappingAdd(1, ordering: .relaxed)
            while share.takeDebt() { share.release() }
        }

        var demands: Int { calls.load(ordering: .relaxed) }

        /// Takes descriptors until one is refused; returns their number.
        func takeAll() -> Int {
            var count = 0
            while share.acquire() == .granted { count += 1 }
            return count
        }
    }

    @Test func `leaves a reserve, and gives the only member all the rest`() throws {
        let budget = DescriptorBudget(limit: 1_024)
        let alone = try Payer(budget, standing: 10)
        #expect(budget.reserve == 64)
        #expect(alone.takeAll() == 1_024 - 64 - 10)
        #expect(alone.share.acquire() == .beyondShare)
        alone.share.release()
        #expect(alone.share.acquire() == .granted)
    }

    @Test func `lends free descriptors, and reclaims them when others need them`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let (greedy, modest) = (try Payer(budget), try Payer(budget))
        // 1,000 for flows, of which an eighth is not available to members above their share.
        #expect(greedy.takeAll() == 875)
        #expect(greedy.share.acquire() == .beyondShare)
        for _ in 0..<500 { #expect(modest.share.acquire() == .granted) }
        #expect(greedy.demands > 0)
        #expect(greedy.share.held >= 400)
        #expect(greedy.share.held + modest.share.held <= 1_000)
        #expect(modest.share.acquire() == .beyondShare)
    }

    @Test func `a member may replace its flows only while others have descriptors left`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let (greedy, modest) = (try Payer(budget), try Payer(budget))
        _ = greedy.takeAll()
        // Each new flow's descriptor is open before that of the flow that ends for it is closed.
        var replaced = 0
        while greedy.share.mayReplace() {
            greedy.share.take(1)
            replaced += 1
        }
        // Of the 125 that are not available to others.
        #expect(replaced == 63)
        for _ in 0..<62 { #expect(modest.share.acquire() == .granted) }
        greedy.share.release(replaced)
        #expect(greedy.share.mayReplace())
    }

    @Test func `the only member may replace its flows from the reserve`() throws {
        let budget = DescriptorBudget(limit: 1_024)
        let alone = try Payer(budget)
        _ = alone.takeAll()
        var replaced = 0
        while alone.share.mayReplace() {
            alone.share.take(1)
            replaced += 1
        }
        #expect(replaced == budget.reserve / 4)
    }

    @Test func `asks the member that is furthest beyond its share`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let (most, some, modest) = (try Payer(budget), try Payer(budget), try Payer(budget))
        for _ in 0..<350 { #expect(some.share.acquire() == .granted) }
        _ = most.takeAll()
        for _ in 0..<200 { #expect(modest.share.acquire() == .granted) }
        #expect(most.demands > 0)
        #expect(some.demands == 0)
        #expect(some.share.held == 350)
    }

    @Test func `members below their share wait when none is returned, and none is counted twice`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let stubborn = try #require(budget.join(standing: 0))
        let modest = try Payer(budget)
        while stubborn.acquire() == .granted {}
        let held = stubborn.held
        #expect(modest.takeAll() == 1_000 + 32 - held)
        #expect(modest.share.acquire() == .awaited)
        #expect(budget.usage.flows == modest.share.held + held)
        stubborn.release(held)
        #expect(modest.share.acquire() == .granted)
    }

    @Test func `refuses a member if too few would be left for it or others`() throws {
        let budget = DescriptorBudget(limit: 256)
        var members: [Payer] = []
        while let share = budget.join(standing: 12) {
            share.leave()
            members.append(try Payer(budget, standing: 12))
        }
        // 192 for flows and standing descriptors: 28 each.
        #expect(members.count == 6)
        #expect(!budget.addStandingWhereFree(200))
        for member in members {
            for _ in 0..<DescriptorBudget.leastShare { #expect(member.share.acquire() == .granted) }
        }
        members[0].share.leave()
        #expect(budget.join(standing: 12) != nil)
    }

    @Test func `asks for room as soon as a member joins`() throws {
        let budget = DescriptorBudget(limit: 256)
        let first = try Payer(budget)
        _ = first.takeAll()
        let second = try Payer(budget, standing: 12)
        #expect(first.demands == 1)
        #expect(second.share.acquire() == .granted)
    }

    @Test func `counts descriptors that the process opened without reporting them`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let member = try Payer(budget)
        budget.note(open: 232)
        #expect(member.takeAll() == 800)
        budget.note(open: 800)
        #expect(budget.usage.standing == 0)
    }

    @Test func `gives lasting ones out of half a share, and never wants them back`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let (lasting, modest) = (try #require(budget.join(standing: 0)), try Payer(budget))
        var count = 0
        while lasting.acquireLasting() == .granted { count += 1 }
        #expect(count == 250)
        #expect(modest.takeAll() >= 500)
        lasting.releaseLasting()
        #expect(lasting.acquireLasting() == .granted)
        #expect(lasting.held == 250)
    }

    @Test func `refuses flows while something else is short`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let member = try Payer(budget)
        budget.setShort(true)
        #expect(member.share.acquire() == .beyondShare)
        budget.setShort(false)
        #expect(member.share.acquire() == .granted)
    }

    @Test func `loses nothing when many threads take and give back`() throws {
        let budget = DescriptorBudget(limit: 1_064)
        let shares = try (0..<2).map { _ in try #require(budget.join(standing: 0)) }
        let threads = (0..<4).map { index in
            let share = shares[index & 1]
            return TestThread {
                var mine = 0
                for round in 0..<20_000 {
                    if round % 3 != 2 {
                        if share.acquire() == .granted { mine += 1 }
                    } else if mine > 0 {
                        share.release()
                        mine -= 1
                    }
                    while mine > 0, share.takeDebt() {
                        share.release()
                        mine -= 1
                    }
                }
                for _ in 0..<mine { share.release() }
            }
        }
        for thread in threads { thread.join() }
        #expect(budget.usage.flows == 0)
        #expect(shares.allSatisfy { $0.held == 0 })
    }
}
