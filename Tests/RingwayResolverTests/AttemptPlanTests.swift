import Testing

@testable import RingwayResolver

@Suite struct AttemptPlanTests {
    private static let second: UInt64 = 1_000_000_000

    private func plan(_ servers: Int, rounds: Int = 2, interval: UInt64 = 1, timeout: UInt64 = 5) -> AttemptPlan {
        AttemptPlan(
            order: Array(0..<servers), rounds: rounds, interval: interval * Self.second,
            timeout: timeout * Self.second, now: 0, end: 30 * Self.second)
    }

    /// The instants, in seconds, at which each server is asked when all stay silent, and the end.
    private func timeline(_ plan: AttemptPlan) -> (asked: [String], end: UInt64) {
        var plan = plan
        var now: UInt64 = 0
        var asked: [String] = []
        while true {
            switch plan.advance(now: now) {
            case .ask(let server): asked.append("\(server)@\(now / Self.second)")
            case .wait: break
            case .finish: return (asked, now / Self.second)
            }
            now = plan.deadline
        }
    }

    @Test func `Silent servers are asked in turn, the second time with twice the timeout`() {
        let two = timeline(plan(2))
        #expect(two.asked == ["0@0", "1@1", "0@2", "1@4"])
        #expect(two.end == 9)
    }

    @Test func `One silent server is asked again before its time-out`() {
        let one = timeline(plan(1))
        #expect(one.asked == ["0@0", "0@1"])
        #expect(one.end == 6)
    }

    @Test func `No query waits beyond its end`() {
        let many = timeline(plan(8, rounds: 5, interval: 2))
        #expect(many.end == 30)
        #expect(many.asked.prefix(9) == ["0@0", "1@2", "2@4", "3@6", "4@8", "5@10", "6@12", "7@14", "0@16"])
    }

    @Test func `A refusal moves on at once, and refusals by all end it`() {
        var plan = plan(2)
        #expect(plan.advance(now: 0) == .ask(server: 0))
        #expect(plan.setback(.unreachable, server: 0, now: 10) == .ask(server: 1))
        #expect(!plan.isUnreachable)
        #expect(plan.setback(.unreachable, server: 1, now: 20) == .finish)
        #expect(plan.isUnreachable)
    }

    @Test func `A refusing server is not asked again`() {
        var plan = plan(2)
        #expect(plan.advance(now: 0) == .ask(server: 0))
        #expect(plan.setback(.unreachable, server: 0, now: 10) == .ask(server: 1))
        #expect(plan.advance(now: plan.deadline) == .ask(server: 1))
        #expect(plan.advance(now: plan.deadline) == .wait)
        #expect(plan.advance(now: plan.deadline) == .finish)
    }

    @Test func `With a bad answer in hand each other server gets one chance`() {
        var plan = plan(2)
        #expect(plan.advance(now: 0) == .ask(server: 0))
        #expect(plan.setback(.badAnswer, server: 0, now: 10) == .ask(server: 1))
        #expect(plan.deadline == 10 + Self.second)
        #expect(plan.advance(now: plan.deadline) == .finish)
    }

    @Test func `A late bad answer does not cut the present server's time`() {
        var plan = plan(2)
        #expect(plan.advance(now: 0) == .ask(server: 0))
        #expect(plan.advance(now: Self.second) == .ask(server: 1))
        #expect(plan.setback(.badAnswer, server: 0, now: Self.second + 5) == .wait)
        #expect(plan.setback(.badAnswer, server: 1, now: Self.second + 6) == .finish)
        #expect(!plan.isUnreachable)
    }

    @Test func `Without servers it is over at once`() {
        var plan = plan(0)
        #expect(plan.advance(now: 0) == .finish)
        #expect(plan.isUnreachable)
    }

    @Test func `Suspects are asked last until they answer`() throws {
        let servers = try ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map { try #require(Nameserver($0, port: 53)) }
        var suspects = Suspects()
        for _ in 1..<Suspects.threshold { suspects.noteSilence(of: servers[0], now: 0) }
        #expect(suspects.order(servers, first: 0, now: 1) == [0, 1, 2])
        suspects.noteSilence(of: servers[0], now: 0)
        #expect(suspects.order(servers, first: 0, now: 1) == [1, 2, 0])
        #expect(suspects.order(servers, first: 1, now: 1) == [1, 2, 0])
        #expect(suspects.order(servers, first: 2, now: 1) == [2, 1, 0])
        #expect(suspects.order(servers, first: 0, now: Suspects.span) == [0, 1, 2])
        suspects.noteAnswer(of: servers[0])
        #expect(suspects.order(servers, first: 0, now: 1) == [0, 1, 2])
    }
}
