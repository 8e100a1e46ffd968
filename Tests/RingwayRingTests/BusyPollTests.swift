import RingwayReactor
import Testing

@Suite struct BusyPollTests {
    private static let limit: UInt64 = 30_000

    /// A value after so many short waits that it polls.
    private static var looking: BusyPoll {
        var poll = BusyPoll(limit: limit)
        for _ in 0..<16 { poll.slept(limit) }
        return poll
    }

    @Test func `Without a limit nothing is looked for`() {
        var poll = BusyPoll(limit: 0)
        for _ in 0..<100 { poll.slept(0) }
        #expect(!poll.isWorthwhile)
    }

    @Test func `A thread that has not waited yet sleeps`() {
        #expect(!BusyPoll(limit: Self.limit).isWorthwhile)
    }

    @Test func `A row of short waits makes looking worthwhile`() {
        #expect(Self.looking.isWorthwhile)
    }

    @Test func `A few short waits are not enough`() {
        var poll = BusyPoll(limit: Self.limit)
        for _ in 0..<4 { poll.slept(1_000) }
        #expect(!poll.isWorthwhile)
    }

    @Test func `A long wait among short ones begins the row anew`() {
        var poll = BusyPoll(limit: Self.limit)
        for turn in 0..<100 { poll.slept(turn.isMultiple(of: 4) ? 1_000_000 : 1_000) }
        #expect(!poll.isWorthwhile)
    }

    @Test func `One vain look does not end what pays off`() {
        var poll = Self.looking
        for _ in 0..<8 { poll.polled(found: true) }
        poll.polled(found: false)
        #expect(poll.isWorthwhile)
    }

    @Test func `A guest that falls silent costs a few looks and no more`() {
        var poll = Self.looking
        for _ in 0..<100 { poll.polled(found: true) }
        var queries = 0
        while poll.isWorthwhile {
            poll.polled(found: false)
            queries += 1
        }
        #expect(queries <= 4)
        poll.slept(1_000)
        #expect(!poll.isWorthwhile)
    }

    @Test func `Bulk ends looking at once`() {
        var poll = Self.looking
        poll.discourage()
        #expect(!poll.isWorthwhile)
    }
}
