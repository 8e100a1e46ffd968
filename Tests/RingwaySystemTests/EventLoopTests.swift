import CRingway
import Glibc
import TestSupport
import Testing

@testable import RingwaySystem

/// A member with one end of a socket pair, which records its calls.
private final class Probe: LoopMember {
    var own: OwnedDescriptor?
    var peer: OwnedDescriptor?
    var readyCount = 0
    var deadlines: [UInt64] = []
    var resumedCount = 0
    var onReady: ((Probe, EventLoop.Events) -> Void)?
    var onDeadline: ((Probe) -> Void)?
    var onResumed: ((Probe) -> Void)?

    override init() {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        precondition(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        own = OwnedDescriptor(adopting: ends[0])
        peer = OwnedDescriptor(adopting: ends[1])
    }

    var descriptor: Int32 { own?.rawValue ?? -1 }
    var peerDescriptor: Int32 { peer?.rawValue ?? -1 }

    /// Sends a byte to the member.
    func poke() {
        var byte: UInt8 = 1
        #expect(send(peerDescriptor, &byte, 1, Int32(MSG_NOSIGNAL)) == 1)
    }

    /// Takes what has been sent.
    func drain() {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT)) > 0 {}
    }

    /// Closes both descriptors, so that their numbers are free.
    func close() {
        own = nil
        peer = nil
    }

    override func ready(_ events: EventLoop.Events) {
        readyCount += 1
        onReady?(self, events)
    }

    override func deadlinePassed(now: UInt64) {
        deadlines.append(now)
        onDeadline?(self)
    }

    override func resumed() {
        resumedCount += 1
        onResumed?(self)
    }
}

@Suite("The event loop", .timeLimit(.minutes(1)))
struct EventLoopTests {
    private let loop: EventLoop

    init() throws { loop = try EventLoop() }

    /// A turn that does not wait.
    private func turn() {
        let now = LoopMember()
        loop.schedule(now, at: 0)
        loop.runTurn()
    }

    // MARK: Descriptors

    @Test func `reports readable bytes in every turn until they are read`() {
        let probe = Probe()
        loop.register(probe, descriptor: probe.descriptor, interest: .read)
        turn()
        #expect(probe.readyCount == 0)
        probe.poke()
        for _ in 0..<3 { turn() }
        #expect(probe.readyCount == 3)
        probe.drain()
        turn()
        #expect(probe.readyCount == 3)
    }

    @Test func `reports an edge once, and the next one again`() {
        let probe = Probe()
        loop.register(probe, descriptor: probe.descriptor, interest: .edges)
        for _ in 0..<3 { turn() }
        #expect(probe.readyCount == 1, "there is room from the start")
        probe.poke()
        for _ in 0..<3 { turn() }
        #expect(probe.readyCount == 2)
    }

    @Test func `waits only for the requested events`() {
        let probe = Probe()
        loop.register(probe, descriptor: probe.descriptor, interest: .read)
        probe.poke()
        loop.setInterest([], of: probe)
        turn()
        #expect(probe.readyCount == 0)
        loop.setInterest(.write, of: probe)
        probe.onReady = { #expect($1.isWritable) }
        turn()
        #expect(probe.readyCount == 1)
    }

    @Test func `reports a hangup whatever is requested`() {
        let probe = Probe()
        loop.register(probe, descriptor: probe.descriptor, interest: [])
        probe.peer = nil
        probe.onReady = { #expect($1.isBroken) }
        turn()
        #expect(probe.readyCount == 1)
    }

    @Test func `refuses what cannot be watched`() {
        let file = OwnedDescriptor(adopting: open("/proc/self/exe", O_RDONLY | O_CLOEXEC))
        let member = LoopMember()
        #expect(!loop.register(member, descriptor: file.rawValue, interest: .read))
        #expect(errno == EPERM)
        #expect(!member.isRegistered && loop.registeredCount == 0)
    }

    // MARK: Removal while events are dispatched

    @Test func `calls no member that another one has removed in the same turn`() {
        let probes = [Probe(), Probe()]
        for probe in probes {
            loop.register(probe, descriptor: probe.descriptor, interest: .read)
            probe.poke()
            probe.onReady = { [loop] called, _ in for other in probes where other !== called { loop.remove(other) } }
        }
        turn()
        #expect(probes.map(\.readyCount).sorted() == [0, 1])
    }

    @Test func `gives a member that takes a removed one's place and number none of its events`() {
        let first = Probe()
        let second = Probe()
        var successor: Probe?
        for probe in [first, second] {
            loop.register(probe, descriptor: probe.descriptor, interest: .read)
            probe.poke()
            probe.onReady = { [loop] called, _ in
                guard successor == nil else { return }
                let other = called === first ? second : first
                let number = other.descriptor
                loop.remove(other)
                other.close()
                let fresh = Probe()
                #expect(fresh.descriptor == number || fresh.peerDescriptor == number, "numbers are reused")
                loop.register(fresh, descriptor: number, interest: .read)
                successor = fresh
            }
        }
        turn()
        #expect(successor?.readyCount == 0)
        #expect(first.readyCount + second.readyCount == 1)
    }

    @Test func `a member can remove itself`() {
        let probe = Probe()
        loop.register(probe, descriptor: probe.descriptor, interest: .read)
        loop.schedule(probe, at: 0)
        probe.poke()
        probe.onReady = { [loop] called, _ in loop.remove(called) }
        turn()
        turn()
        #expect(probe.readyCount == 1 && probe.deadlines.isEmpty)
        #expect(loop.registeredCount == 0)
    }

    // MARK: Times

    @Test func `calls deadlines in their order, and none before its time`() {
        let start = MonotonicClock.now()
        var order: [Int] = []
        let probes = [3, 1, 2].map { number in
            let probe = Probe()
            probe.onDeadline = { _ in order.append(number) }
            loop.schedule(probe, at: start + UInt64(number) * 20_000_000)
            return probe
        }
        while order.count < 3 { loop.runTurn() }
        #expect(order == [1, 2, 3])
        for (number, probe) in zip([3, 1, 2], probes) {
            #expect(probe.deadlines.count == 1)
            #expect(probe.deadlines.first.map { $0 >= start + UInt64(number) * 20_000_000 } == true)
        }
    }

    @Test func `ends the turn of a deadline that is always due`() {
        let probe = Probe()
        probe.onDeadline = { [loop] called in loop.schedule(called, at: 0) }
        loop.schedule(probe, at: 0)
        loop.runTurn()
        #expect(probe.deadlines.count == 1)
        loop.runTurn()
        #expect(probe.deadlines.count == 2)
    }

    @Test func `leaves others their turn between two pieces of work`() {
        let busy = Probe()
        let other = Probe()
        loop.register(other, descriptor: other.descriptor, interest: .read)
        busy.onResumed = { [loop] called in
            if called.resumedCount < 3 { loop.resume(called) }
            if called.resumedCount == 1 { other.poke() }
            if called.resumedCount == 3 { #expect(other.readyCount > 0) }
        }
        loop.resume(busy)
        for count in 1...3 {
            loop.runTurn()
            #expect(busy.resumedCount == count)
        }
    }

    // MARK: Everything at once

    /// Members are added, removed, written to, scheduled and closed at random, partly from within their own calls; a
    /// model knows which of them may be called.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func `agrees with a model under one seed`(seed: UInt64) {
        var generator = SeededNoise(seed: seed)
        var members: [Probe] = []
        var poked: Set<ObjectIdentifier> = []
        /// Removes a member, and half of the time frees its numbers for the next one.
        func remove(at index: Int) {
            let probe = members.remove(at: index)
            loop.remove(probe)
            poked.remove(ObjectIdentifier(probe))
            probe.onReady = { _, _ in Issue.record("seed \(seed): a removed member is called") }
            probe.onDeadline = { _ in Issue.record("seed \(seed): a removed member's deadline is called") }
            if Bool.random(using: &generator) { probe.close() }
        }
        func act(_ called: Probe?) {
            switch Int.random(in: 0..<6, using: &generator) {
            case 0 where members.count < 30:
                let probe = Probe()
                probe.onReady = { called, _ in
                    #expect(poked.contains(ObjectIdentifier(called)), "seed \(seed): an event without a cause")
                    called.drain()
                    poked.remove(ObjectIdentifier(called))
                    act(called)
                }
                probe.onDeadline = { act($0) }
                #expect(loop.register(probe, descriptor: probe.descriptor, interest: .read))
                members.append(probe)
            case 1 where !members.isEmpty: remove(at: Int.random(in: members.indices, using: &generator))
            case 2:
                guard let called, let index = members.firstIndex(where: { $0 === called }) else { return }
                remove(at: index)
            case 3:
                guard let probe = members.randomElement(using: &generator) else { return }
                loop.schedule(probe, at: UInt64.random(in: 0...1, using: &generator) * MonotonicClock.now())
            default:
                guard let probe = members.randomElement(using: &generator) else { return }
                probe.poke()
                poked.insert(ObjectIdentifier(probe))
            }
        }
        for _ in 0..<400 {
            act(nil)
            turn()
            #expect(loop.registeredCount == members.count)
        }
        // Every event with a cause is reported.
        for _ in 0..<100 where !poked.isEmpty { turn() }
        #expect(poked.isEmpty, "seed \(seed)")
        loop.removeAll()
        #expect(loop.registeredCount == 0)
    }

    // MARK: Accepting

    @Test func `pauses a member after an error of accept, and lets it try again`() throws {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        let probe = Probe()
        probe.own = OwnedDescriptor(adopting: ends[0])
        probe.peer = OwnedDescriptor(adopting: ends[1])
        // No datagram socket accepts, and this one stays readable.
        probe.onReady = { [loop] probe, _ in #expect(loop.accept(for: probe) == -1) }
        probe.onDeadline = { [loop] in loop.acceptAgain($0) }
        loop.register(probe, descriptor: probe.descriptor, interest: .read)
        probe.poke()
        while probe.readyCount < 2 { loop.runTurn() }
        #expect(probe.deadlines.count == 1)
        loop.remove(probe)
    }

    @Test func `deregisters a member whose socket does not listen`() {
        let probe = Probe()
        probe.onReady = { [loop] probe, _ in #expect(loop.accept(for: probe) == -1) }
        loop.register(probe, descriptor: probe.descriptor, interest: .read)
        probe.poke()
        turn()
        #expect(probe.readyCount == 1)
        #expect(!probe.isRegistered)
    }
}
