internal import RingwayEngine
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// An engine of two shards between a model guest on a model TAP and peers on a model host, in one thread and by one seed.
///
/// ## Theory of operation
///
/// The engine is the real one but for its threads (`SteppedEngine`): its rings are scripted, its descriptors and clock are
/// the model host's. `run` goes from event to event. At each instant it lets shards step in an order that the seed draws,
/// so that mail between them, completions and frames meet in every order; where all shards sleep it moves the clock to
/// the next event or deadline.
///
/// The guest is the one of the stack's simulation (`GuestConnection`), and so are the flows and the link's faults. What is
/// on the host is `EnginePeer` for connections, and `EngineNetwork+Datagrams` for the rest.
final class EngineNetwork: ModelWorld {
    static var shardCount: Int { 2 }

    let scenario: EngineScenario
    let recorder: Recorder?
    let host: ModelHost
    var engine: SteppedEngine?
    var random: SplitMix64
    var toStack: FaultyLink
    var toGuest: FaultyLink
    let inspector: FrameInspector
    /// What the engine holds of the link, and the sockets that are lent to it.
    var taps: [ModelTap] = []
    var ports: [Int32] = []
    var hasAskedForPorts = false
    var portsAreBack: (() -> Bool)?

    var connections: [GuestConnection?]
    var wakes: [UInt64]
    var fates: [SimulatedNetwork.Fate]
    var observers: [FlowObserver]
    /// The queue that a flow's frames come by.
    var queues: [Int]
    var peers: [EnginePeer] = []
    var listeners: [Int: ModelListener] = [:]
    var exchanges: [DatagramExchange] = []
    var relayed = Set<Int>()
    var failure: String?
    var report = EngineReport()
    var isStopping = false

    let startsAt: UInt64

    init(_ scenario: EngineScenario, recorder: Recorder?) {
        self.scenario = scenario
        self.recorder = recorder
        random = scenario.generator
        let base = scenario.base
        startsAt = base.startsAt
        host = ModelHost(
            scenario.host, random: random.split(), startsAt: startsAt, healsAt: startsAt + base.healsAfter)
        let healsAt = startsAt + base.healsAfter
        toStack = FaultyLink(base.fromGuest, healsAt: healsAt, random: random.split())
        toGuest = FaultyLink(base.toGuest, healsAt: healsAt, random: random.split())
        inspector = FrameInspector(plan: base.plan, guestMAC: GuestFrameBuilder.guestMAC)
        let count = base.flows.count
        connections = Array(repeating: nil, count: count)
        wakes = Array(repeating: .max, count: count)
        fates = Array(repeating: SimulatedNetwork.Fate(), count: count)
        observers = Array(repeating: FlowObserver(), count: count)
        queues = Array(repeating: 0, count: count)
        host.world = self
    }

    var now: UInt64 { host.now }

    func fail(_ text: String) {
        guard failure == nil else { return }
        failure = text
        log("FAILURE: \(text)")
    }

    func log(_ text: @autoclosure () -> String) {
        guard let recorder else { return }
        recorder.note(at: now - startsAt, text())
    }

    // MARK: Running

    /// Hours of the clock that no scenario needs, and steps.
    private static var timeLimit: UInt64 { 4 * 3_600 * 1_000_000_000 }
    private static var stepLimit: Int { 3_000_000 }

    func run() {
        HostModel.makeCurrent(host)
        defer { HostModel.makeCurrent(nil) }
        do throws(RingError) {
            try begin()
        } catch {
            return fail("the engine does not start: \(error)")
        }
        while failure == nil, !isOver { goOn() }
        if failure == nil { end() }
        portsAreBack = nil
        engine = nil
        settleHost()
        if failure == nil { judgeHost() }
        report.failure = failure
        report.duration = now - startsAt
        report.digest = host.digest
    }

    private func begin() throws(RingError) {
        let base = scenario.base
        taps = (0..<Self.shardCount).map { ModelTap(host, queue: $0) }
        let queues = taps.map { host.open($0) }
        var stack = Stack.Configuration(
            plan: base.plan, limits: base.limits, policy: DestinationPolicy(),
            guestMAC: MACAddress(rawValue: GuestFrameBuilder.guestMAC), guestIPv4: base.plan.firstGuestIPv4,
            guestIPv6: base.plan.firstGuestIPv6, shard: 0, shards: Self.shardCount, secret: base.secret)
        stack.congestion = base.congestion
        var configuration = EngineConfiguration(stack: stack)
        if scenario.hasGuestSockets {
            configuration.guestSockets = queues.map { _ in host.open(ModelSocketLine(host)) }
        }
        engine = try SteppedEngine(configuration, queues: queues) { _ in }
        publishPorts()
        host.isCalm = false
        showGuest()
        for script in base.flows {
            host.schedule(after: script.startsAt) { [unowned self] in start(script.index) }
            scheduleDisturbance(of: script)
        }
        startExchanges()
        if case .stop(let at) = scenario.ending {
            host.schedule(after: at) { [unowned self] in stop() }
        }
    }

    /// One instant: what is due happens, and shards step until all sleep.
    private func goOn() {
        if let blame = host.failure { return fail(blame) }
        if now - startsAt > Self.timeLimit { return fail("something does not end: \(openEnds)") }
        if report.steps > Self.stepLimit { return fail("the shards never come to rest: \(openEnds)") }
        guard let engine else { return }
        let ready = (0..<engine.count).filter { isReady($0, engine) }
        if !ready.isEmpty, !(host.nextTime ?? .max <= now && random.chance(0.5)) {
            return step(random.pick(ready), engine)
        }
        if host.happen() { return }
        if ready.isEmpty { sleep(engine) }
    }

    private func isReady(_ shard: Int, _ engine: SteppedEngine) -> Bool {
        switch engine.place(of: shard) {
        case .ended: false
        case .awake: true
        case .asleep:
            host.rings[shard].map { $0.hasCompletion || $0.sleepsUntil <= now } ?? false
        }
    }

    private func step(_ shard: Int, _ engine: SteppedEngine) {
        report.steps += 1
        host.note(1, UInt64(shard), now)
        let before = engine.place(of: shard)
        engine.step(shard)
        // Processor time passes with every turn.
        if before == .asleep { host.advance(to: now + random.time(500...5_000)) }
        checkBounds(engine)
    }

    /// All shards sleep: the clock moves to what comes next. Now and then one wakes for no reason.
    private func sleep(_ engine: SteppedEngine) {
        let asleep = (0..<engine.count).filter { engine.place(of: $0) == .asleep }
        if let shard = asleep.first(where: { _ in random.chance(scenario.idleTurns) }) {
            return step(shard, engine)
        }
        let deadlines = asleep.compactMap { host.rings[$0]?.sleepsUntil }
        let next = min(host.nextTime ?? .max, deadlines.min() ?? .max)
        guard next < .max else {
            if !isStopping, !isQuiet { fail("nothing is going to happen, but: \(openEnds)") }
            return
        }
        host.advance(to: max(now + 1, next))
    }

    private func checkBounds(_ engine: SteppedEngine) {
        let limits = scenario.base.limits
        let bound = max(limits.parkOctetsPerFlow, 65_536) + 32_768
        let streams = scenario.base.flows.count + fates.reduce(0) { $0 + $1.forgotten.count }
        let parked = engine.total(.tcpParkedOctets)
        if parked > streams * bound { fail("\(parked) bytes are parked") }
    }

    // MARK: Ending

    /// Whether the run may be judged: the engine has been stopped, or nothing is going on any more and ports are closed.
    private var isOver: Bool {
        guard let engine else { return true }
        if isStopping { return (0..<engine.count).allSatisfy { engine.place(of: $0) == .ended } }
        return isQuiet
    }

    /// Nothing is going on, and everything that was lent is back.
    private var isQuiet: Bool {
        guard scenario.ending == .quiet, host.nextTime == nil, let engine else { return false }
        guard (0..<engine.count).allSatisfy({ isIdle($0, engine) }) else { return false }
        if !hasAskedForPorts {
            hasAskedForPorts = true
            portsAreBack = engine.unlisten(Set(0..<64))
            return false
        }
        return portsAreBack?() ?? true
    }

    private func isIdle(_ shard: Int, _ engine: SteppedEngine) -> Bool {
        guard engine.place(of: shard) == .asleep, !isReady(shard, engine) else { return false }
        let holdings = engine.holdings(of: shard)
        return holdings.connections == 0 && holdings.relays == 0 && holdings.datagramSockets == 0
            && holdings.pingSockets == 0
    }

    func stop() {
        guard !isStopping else { return }
        log("the engine is stopped")
        isStopping = true
        engine?.stop()
    }

    private func end() {
        guard let engine else { return }
        if scenario.ending == .quiet {
            judgeEngine(engine)
            stop()
            while failure == nil, !isOver { goOn() }
        }
        engine.closeUndelivered()
        if engine.descriptorsHeld != 0 { fail("\(engine.descriptorsHeld) descriptors stay counted") }
        for port in ports { _ = host.close(port) }
        ports = []
        taps = []
    }

    /// What was on its way still arrives: late completions, and what the engine's peers see of its end.
    private func settleHost() {
        while failure == nil, let next = host.nextTime {
            if next - startsAt > 2 * Self.timeLimit { return fail("the host does not come to rest") }
            host.advance(to: next)
            _ = host.happen()
        }
        if let blame = host.failure { fail(blame) }
    }
}
