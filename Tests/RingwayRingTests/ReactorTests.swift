import CRingway
import Glibc
import RingwayReactor
import RingwayRing
import RingwayStorage
import RingwaySystem
import Synchronization
import TestSupport
import Testing

/// Waking and being woken, on real threads.
@Suite("Reactor", .tags(.kernel))
struct ReactorTests {
    private static let bell = OperationTag(kind: 1, index: 0)
    private static let mail = OperationTag(kind: 2, index: 0)

    private static func reactor(_ backEnd: BackEnd, _ doorbell: Doorbell) throws(SystemError) -> Reactor {
        let ring = try Ring(entries: 64, completions: 256, features: backEnd.features)
        var reactor = try Reactor(ring: ring, doorbell: doorbell)
        try reactor.ring.enable()
        return reactor
    }

    @Test(arguments: BackEnd.here) func `ends its wait at the deadline and reads the clock`(_ backEnd: BackEnd) throws {
        var reactor = try Self.reactor(backEnd, Doorbell())
        let start = Reactor.clock()
        let error = reactor.wait(until: start + 20_000_000) { false }
        let now = reactor.now
        #expect(error == 0)
        #expect(now >= start + 19_000_000 && now < start + 1_000_000_000)
    }

    @Test(arguments: BackEnd.here)
    func `does not wait when its deadline has passed or mail is there`(_ backEnd: BackEnd) throws {
        var reactor = try Self.reactor(backEnd, Doorbell())
        let start = Reactor.clock()
        _ = reactor.wait(until: 0) { false }
        _ = reactor.wait(until: nil) { true }
        #expect(Reactor.clock() - start < 1_000_000_000)
    }

    @Test(arguments: BackEnd.here)
    func `is woken by a thread without a ring, each time anew`(_ backEnd: BackEnd) throws {
        let doorbell = try Doorbell()
        var reactor = try Self.reactor(backEnd, doorbell)
        reactor.listen(Self.bell)
        for _ in 0..<3 {
            let ringer = TestThread {
                usleep(5_000)
                doorbell.wake()
            }
            _ = reactor.wait(until: reactor.now + 30_000_000_000) { false }
            let completion = reactor.ring.nextCompletion()
            #expect(completion?.tag == Self.bell)
            #expect(completion?.result == 8)
            reactor.listen(Self.bell)
            ringer.join()
        }
    }

    @Test(arguments: BackEnd.here) func `does not need a wakeup while it is awake`(_ backEnd: BackEnd) throws {
        let doorbell = try Doorbell()
        var reactor = try Self.reactor(backEnd, doorbell)
        #expect(!doorbell.claimWake())
        _ = reactor.wait(until: 0) { doorbell.claimWake() && !doorbell.claimWake() }
        #expect(!doorbell.claimWake())
    }

    @Test(arguments: BackEnd.here) func `is woken through the ring of another thread`(_ backEnd: BackEnd) throws {
        let sleeper = try Doorbell()
        let isWaiting = Atomic<Bool>(false)
        try withExtendedLifetime(isWaiting) {
            var reactor = try Self.reactor(backEnd, sleeper)
            let waker = TestThread {
                guard var other = try? Self.reactor(backEnd, Doorbell()) else { return }
                while !isWaiting.load(ordering: .acquiring) { usleep(1_000) }
                usleep(20_000)
                other.wake(sleeper, Self.mail)
                _ = other.wait(until: other.now + 20_000_000) { false }
                // A successful wake has no completion.
                if other.ring.nextCompletion() != nil { sleeper.wake() }
            }
            let start = Reactor.clock()
            _ = reactor.wait(until: start + 30_000_000_000) {
                isWaiting.store(true, ordering: .releasing)
                return false
            }
            #expect(reactor.ring.nextCompletion()?.tag == Self.mail)
            #expect(Reactor.clock() - start < 25_000_000_000)
            waker.join()
        }
    }

    /// One of two threads that exchange messages: its outgoing mailbox, its incoming one, and the number of messages.
    private static func exchange(
        _ backEnd: BackEnd, own: Doorbell, other: Doorbell, inbox: Mailbox<Int>, outbox: Mailbox<Int>, rounds: Int,
        begins: Bool
    ) -> Int {
        guard var reactor = try? reactor(backEnd, own) else { return -1 }
        while other.ringDescriptor < 0 { sched_yield() }
        var expected = 0
        if begins {
            _ = outbox.post(0)
            reactor.wake(other, mail)
        }
        while expected < rounds {
            let limit = reactor.now + 30_000_000_000
            guard reactor.wait(until: limit, hasMail: { !inbox.isEmpty }) == 0 else { return -2 }
            while reactor.ring.nextCompletion() != nil {}
            if reactor.now >= limit { return expected }
            while let message = inbox.take() {
                guard message == expected else { return -3 }
                expected += 1
                let answer = begins ? expected : message
                if answer < rounds {
                    guard outbox.post(answer) else { return -4 }
                    reactor.wake(other, mail)
                }
            }
        }
        // The last prepared operation must still be submitted.
        _ = reactor.wait(until: 0) { true }
        return expected
    }

    @Test(.timeLimit(.minutes(10)), arguments: BackEnd.here)
    func `loses no wake-up when two shards throw a message to and fro`(_ backEnd: BackEnd) throws {
        let rounds = 20_000
        let (one, two) = (try Doorbell(), try Doorbell())
        let (toOne, toTwo) = (
            MemoryFailure.trap { try Mailbox<Int>(capacity: 16) }, MemoryFailure.trap { try Mailbox<Int>(capacity: 16) }
        )
        let result = MemoryFailure.trap { try Mailbox<Int>(capacity: 1) }
        let thread = TestThread {
            _ = result.post(
                Self.exchange(backEnd, own: two, other: one, inbox: toTwo, outbox: toOne, rounds: rounds, begins: false)
            )
        }
        let own = Self.exchange(
            backEnd, own: one, other: two, inbox: toOne, outbox: toTwo, rounds: rounds, begins: true)
        thread.join()
        #expect(own == rounds)
        #expect(result.take() == rounds)
    }
}
