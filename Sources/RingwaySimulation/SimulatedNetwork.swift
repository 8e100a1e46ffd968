internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// A stack between a model guest and model host sockets, with a faulty link and its own clock, in one thread. The
/// scenario, and so one seed, determines everything.
final class SimulatedNetwork {
    enum Event {
        case start(Int)
        case disturb(Int)
        case reopen(Int)
        case frameToStack([UInt8], isIntact: Bool)
        case frameToGuest([UInt8])
        case guestWakes(Int)
        case written(Effect, [UInt8])
        case connected(Int)
        case sent(Int)
        case received(Int)
        case starved(Int)
        case watched(Int)
    }

    /// Events of a flow that its ends do not record.
    struct Fate {
        var hasStarted = false
        /// Whether the disturbance in the flow's script has taken effect.
        var wasDisturbed = false
        var hasVanished = false
        /// The stack gave up the client of a published port, because the guest did not answer.
        var wasUnanswered = false
        /// The guest did not answer the SYN for a client of a published port, so the client was connected to the
        /// guest's address of the other family. Nothing listens there.
        var wasMoved = false
        var hadConnection = false
        var attempts = 0
        var forgotten: [GuestConnection] = []
    }

    let scenario: Scenario
    let recorder: Recorder?
    var random: SplitMix64
    var now: UInt64
    let counters = Counters()
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>
    var stack: Stack
    var events = EventQueue<Event>()
    var toStack: FaultyLink
    var toGuest: FaultyLink
    let inspector: FrameInspector
    /// Whether a frame's buffers are released only after a short delay, as by a kernel that writes the frame.
    let writesLate: Bool

    var connections: [GuestConnection?]
    var wakes: [UInt64]
    var fates: [Fate]
    var observers: [FlowObserver]
    var sockets: [HostSocket] = []
    var failure: String?
    var report = SimulationReport()

    init(_ scenario: Scenario, recorder: Recorder?) {
        self.scenario = scenario
        self.recorder = recorder
        random = scenario.generator
        now = scenario.startsAt
        space = MemoryFailure.trap {
            try BufferSpace(
                shards: 1, largeCount: scenario.limits.largeBuffers, smallCount: scenario.limits.smallBuffers)
        }
        pool = .allocate(capacity: 1)
        pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) })
        var configuration = Stack.Configuration(
            plan: scenario.plan, limits: scenario.limits, policy: DestinationPolicy(),
            guestMAC: MACAddress(rawValue: GuestFrameBuilder.guestMAC), guestIPv4: scenario.plan.firstGuestIPv4,
            guestIPv6: scenario.plan.firstGuestIPv6, shard: 0, shards: 1, secret: scenario.secret)
        configuration.congestion = scenario.congestion
        stack = MemoryFailure.trap { [pool, counters, now, configuration] in
            try Stack(configuration, pool: pool, counters: counters, now: now)
        }
        let healsAt = now + scenario.healsAfter
        toStack = FaultyLink(scenario.fromGuest, healsAt: healsAt, random: random.split())
        toGuest = FaultyLink(scenario.toGuest, healsAt: healsAt, random: random.split())
        inspector = FrameInspector(plan: scenario.plan, guestMAC: GuestFrameBuilder.guestMAC)
        writesLate = random.chance(0.5)
        let count = scenario.flows.count
        connections = Array(repeating: nil, count: count)
        wakes = Array(repeating: .max, count: count)
        fates = Array(repeating: Fate(), count: count)
        observers = Array(repeating: FlowObserver(), count: count)
        for script in scenario.flows { schedule(script) }
    }

    deinit {
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
        counters.deallocate()
    }

    private func schedule(_ script: FlowScript) {
        events.schedule(.start(script.index), at: now + script.startsAt)
        switch script.disturbance {
        case .none, .guestCloses, .guestReturns: break
        case .guestResets(let at), .guestVanishes(let at), .hostFails(let at):
            events.schedule(.disturb(script.index), at: now + at)
        case .guestForgets(let at, let reopens):
            events.schedule(.disturb(script.index), at: now + at)
            events.schedule(.reopen(script.index), at: now + max(reopens, at + 1) + scenario.quietTime)
        }
    }

    // MARK: Running

    /// The limit of simulated time, in nanoseconds. Only a run that hangs reaches it.
    private static var timeLimit: UInt64 { 4 * 3_600 * 1_000_000_000 }
    /// The limit of frames. Only a run that hangs reaches it.
    private static var frameLimit: Int { 600_000 }

    func run() {
        while failure == nil {
            if events.isEmpty && stack.connectionCount == 0 { break }
            if now - scenario.startsAt > Self.timeLimit {
                fail("something does not end: \(stack.connectionSummaries)")
            }
            if report.framesFromGuest + report.framesToGuest > Self.frameLimit { fail("a storm of frames") }
            turn()
        }
        report.duration = now - scenario.startsAt
        if failure == nil { judge() }
        report.retransmissions = counters.read(.tcpRetransmittedFrames)
        report.timeouts = counters.read(.tcpRetransmissionTimeouts)
        report.failure = failure
    }

    func fail(_ text: String) {
        guard failure == nil else { return }
        failure = text
        log("FAILURE: \(text)")
    }

    func log(_ text: @autoclosure () -> String) {
        guard let recorder else { return }
        recorder.note(at: now - scenario.startsAt, text())
    }

    private func turn() {
        let next = min(events.nextTime ?? .max, stack.nextDeadline ?? .max)
        now = max(now + 1, next) + scenario.turnLength
        stack.beginTurn(now: now)
        recorder?.beginTurn(now: now)
        var budget = 512
        while budget > 0, failure == nil, let event = events.popFirst(until: now) {
            handle(event)
            perform()
            budget -= 1
        }
        while failure == nil, stack.runTimers() { perform() }
        while stack.finishTurn() { perform() }
        perform()
        let bound = max(scenario.limits.unsentBytesPerFlow, 65_536) + 32_768
        // A connection that the guest has forgotten, and the one that replaced it, may both have data for the host.
        let streams = scenario.flows.count + fates.reduce(0) { $0 + $1.forgotten.count }
        if counters.read(.tcpUnsentBytes) > streams * bound {
            fail("\(counters.read(.tcpUnsentBytes)) bytes are parked")
        }
    }

    private func handle(_ event: Event) {
        switch event {
        case .start(let flow): start(flow)
        case .disturb(let flow): disturb(flow)
        case .reopen(let flow): reopen(flow)
        case .frameToStack(let frame, let isIntact): deliverToStack(frame, isIntact: isIntact)
        case .frameToGuest(let frame): deliverToGuest(frame)
        case .guestWakes(let flow): guestWakes(flow)
        case .written(let effect, let frame): finishWriting(effect, frame)
        case .connected(let socket): connected(sockets[socket])
        case .sent(let socket): sent(sockets[socket])
        case .received(let socket): received(sockets[socket])
        case .starved(let socket): retry(sockets[socket])
        case .watched(let socket): watched(sockets[socket])
        }
    }

    // MARK: Effects

    /// Executes the requests of the stack (its effects) in place of the engine.
    func perform() {
        while let effect = stack.effects.popFirst() {
            switch effect.kind {
            case .writeFrame: writeFrame(effect)
            case .connectStream: connect(effect)
            case .sendStream, .receiveStream, .classifyStream, .inspectStream, .watchStream, .shutdownStream,
                .closeStream, .resetStream:
                perform(onSocket: effect)
            case .guestShown: break
            case .guestSilent: guestDidNotAnswer(at: effect.address)
            default: fail("an unexpected effect: \(effect.kind)")
            }
        }
    }

    /// Checks that the stack gives up a client of a published port only after seven seconds: it sends a silent guest
    /// three SYNs, with timeouts of one, two and four seconds.
    private func guestDidNotAnswer(at guest: TransportAddress) {
        guard
            let script = scenario.flows.first(where: {
                $0.isOpenedByHost && $0.guest == guest && !fates[$0.index].wasUnanswered
            }), now - script.startsAt >= Self.leastSilence
        else { return fail("a client of \(guest) was given up early") }
        fates[script.index].wasUnanswered = true
    }

    /// The least time in nanoseconds after which the stack may give up a silent guest: seven seconds, the sum of the
    /// three timeouts, less the tolerance of timers.
    private static var leastSilence: UInt64 { 6_900_000_000 }

    /// Sends the frame to the guest and releases its buffers: immediately, or after a delay like a kernel's.
    private func writeFrame(_ effect: Effect) {
        let frame = bytes(of: effect)
        sendToGuest(frame)
        if writesLate {
            events.schedule(.written(effect, frame), at: now + random.time(0...200_000))
        } else {
            releaseBuffers(of: effect)
        }
    }

    private func bytes(of effect: Effect) -> [UInt8] {
        let head = space.address(of: effect.lease) + Int(effect.offset)
        precondition(Int(effect.offset) + Int(effect.length) <= space.size(of: effect.lease))
        var frame = [UInt8](UnsafeRawBufferPointer(start: head, count: Int(effect.length)))
        if !effect.payload.isNone {
            precondition(
                Int(effect.payloadOffset) + Int(effect.payloadLength) <= space.size(of: effect.payload))
            let payload = space.address(of: effect.payload) + Int(effect.payloadOffset)
            frame += UnsafeRawBufferPointer(start: payload, count: Int(effect.payloadLength))
        }
        return frame
    }

    private func finishWriting(_ effect: Effect, _ frame: [UInt8]) {
        if bytes(of: effect) != frame { fail("a frame changed while it was being written") }
        releaseBuffers(of: effect)
    }

    private func releaseBuffers(of effect: Effect) {
        pool.pointee.release(effect.lease)
        if !effect.payload.isNone { pool.pointee.release(effect.payload) }
    }
}
