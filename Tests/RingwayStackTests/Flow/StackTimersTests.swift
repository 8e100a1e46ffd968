import RingwayModel
import RingwayStorage
import Testing

@testable import RingwayStack

@Suite("StackTimers")
struct StackTimersTests {
    private static var capacities: StackCapacities {
        var limits = Limits()
        limits.flowsPerGuest = 64
        limits.udpMappings = 16
        limits.pingMappings = 4
        limits.nameQueries = 4
        return StackCapacities(limits, shards: 1)
    }

    private func timers() throws -> TimersBench { try TimersBench(Self.capacities) }

    /// Timers behind a reference, so that expectations may ask them.
    private final class TimersBench {
        var timers: StackTimers

        init(_ capacities: StackCapacities) throws { timers = try StackTimers(capacities, now: 0) }

        /// The owners of expired timers, as text.
        func expired(at now: UInt64) -> [String] {
            var owners: [String] = []
            while let owner = timers.popExpired(now: now) { owners.append("\(owner)") }
            return owners
        }
    }

    @Test func `a timer fires for its owner, whatever its kind`() throws {
        let bench = try timers()
        let owners: [StackTimers.Owner] = [
            .connection(0), .connection(63), .mapping(0), .mapping(15), .ping(0), .ping(3), .query(0), .query(3),
            .services,
        ]
        for (index, owner) in owners.enumerated() {
            bench.timers.schedule(owner, at: UInt64(index + 1) * 10_000_000)
        }
        #expect(bench.timers.count == owners.count)
        for (index, owner) in owners.enumerated() {
            #expect(bench.expired(at: UInt64(index + 1) * 10_000_000 + 2_000_000) == ["\(owner)"])
        }
        #expect(bench.timers.nextDeadline == nil)
    }

    @Test func `owners of different kinds do not share timers`() throws {
        let bench = try timers()
        bench.timers.schedule(.mapping(2), at: 5_000_000)
        bench.timers.schedule(.ping(2), at: 5_000_000)
        bench.timers.cancel(.mapping(2))
        bench.timers.cancel(.query(2))
        #expect(bench.expired(at: 10_000_000) == ["ping(2)"])
    }
}
