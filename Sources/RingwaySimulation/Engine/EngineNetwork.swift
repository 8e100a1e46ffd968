internal import RingwayEngine
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// An engine of two shards between a model guest on a model TAP and peers on the model host.
///
/// ## Theory of operation
///
/// The engine is the real one but for its threads (`SteppedEngine`): its rings are scripted, its descriptors and clock are
/// the model host's. `EngineRun` has it step, beside the engines of other guests.
///
/// The guest is the one of the stack's simulation (`GuestConnection`), and so are the flows and the link's faults. What is
/// on the host is `EnginePeer` for connections, and `EngineNetwork+Datagrams` for the rest.
///
///     waiting ─► running ─► stopping ─► over
final class EngineNetwork: ModelWorld {
    enum Phase { case waiting, running, stopping, over }

    static var shardCount: Int { 2 }

    let guest: Int
    let scenario: EngineScenario
    let recorder: Recorder?
    let host: ModelHost
    private(set) var phase = Phase.waiting
    private(set) var engine: SteppedEngine?
    private var rings: [ScriptedRing] = []
    var random: SplitMix64
    var toStack: FaultyLink
    var toGuest: FaultyLink
    let inspector: FrameInspector
    var taps: [ModelTap] = []
    /// The sockets of published ports, which are lent to the engine, and whether they are back.
    var ports: [Int32] = []
    var listeners: [Int: ModelListener] = [:]
    private(set) var hasAskedForPorts = false
    private var portsAreBack: (() -> Bool)?
    /// Events of this network's that are going to happen.
    private var scheduled = 0

    var connections: [GuestConnection?]
    var wakes: [UInt64]
    var fates: [SimulatedNetwork.Fate]
    var observers: [FlowObserver]
    /// The queue that a flow's frames come by.
    var queues: [Int]
    var peers: [EnginePeer] = []
    var exchanges: [DatagramExchange] = []
    /// Flows that have gone around the link.
    var relayed = Set<Int>()
    var report = EngineReport()

    init(_ scenario: EngineScenario, guest: Int, on host: ModelHost, recorder: Recorder?) {
        self.scenario = scenario
        self.guest = guest
        self.host = host
        self.recorder = recorder
        random = scenario.generator
        let base = scenario.base
        let healsAt = host.now + scenario.comesAt + base.healsAfter
        toStack = FaultyLink(base.fromGuest, healsAt: healsAt, random: random.split())
        toGuest = FaultyLink(base.toGuest, healsAt: healsAt, random: random.split())
        inspector = FrameInspector(plan: base.plan, guestMAC: GuestFrameBuilder.guestMAC)
        let count = base.flows.count
        connections = Array(repeating: nil, count: count)
        wakes = Array(repeating: .max, count: count)
        fates = Array(repeating: SimulatedNetwork.Fate(), count: count)
        observers = Array(repeating: FlowObserver(), count: count)
        queues = Array(repeating: 0, count: count)
    }

    var now: UInt64 { host.now }
    var isStopping: Bool { phase == .stopping || phase == .over }

    func fail(_ text: String) {
        host.blame("guest \(guest): \(text)")
        log("FAILURE: \(text)")
    }

    func log(_ text: @autoclosure () -> String) {
        recorder?.note(at: now - host.startsAt, "guest \(guest): \(text())")
    }

    func schedule(after nanoseconds: UInt64, _ body: @escaping () -> Void) {
        scheduled += 1
        host.schedule(after: nanoseconds) { [unowned self] in
            scheduled -= 1
            host.world = self
            body()
        }
    }

    // MARK: Beginning

    func come() {
        guard phase == .waiting else { return }
        phase = .running
        host.world = self
        host.isCalm = true
        defer { host.isCalm = false }
        do throws(RingError) {
            try begin()
        } catch {
            fail("the engine does not start: \(error)")
        }
    }

    private func begin() throws(RingError) {
        let base = scenario.base
        taps = (0..<Self.shardCount).map { ModelTap(host, queue: $0) }
        let queues = taps.map { host.open($0) }
        var stack = Stack.Configuration(
            plan: base.plan, limits: scenario.limits, policy: DestinationPolicy(),
            guestMAC: MACAddress(rawValue: GuestFrameBuilder.guestMAC), guestIPv4: base.plan.firstGuestIPv4,
            guestIPv6: base.plan.firstGuestIPv6, shard: 0, shards: Self.shardCount, secret: base.secret)
        stack.congestion = base.congestion
        var configuration = EngineConfiguration(stack: stack)
        if scenario.hasGuestSockets {
            configuration.guestSockets = queues.map { _ in host.open(ModelSocketLine(host)) }
        }
        engine = try SteppedEngine(configuration, queues: queues) { _ in }
        rings = host.rings.suffix(Self.shardCount).compactMap(\.self)
        publishPorts()
        showGuest()
        for script in base.flows {
            schedule(after: script.startsAt) { [unowned self] in start(script.index) }
            scheduleDisturbance(of: script)
        }
        startExchanges()
        if case .stop(let at) = scenario.ending {
            schedule(after: at) { [unowned self] in stop() }
        }
    }

    // MARK: Stepping

    /// Shards that have something to do now.
    var readyShards: [Int] {
        guard let engine else { return [] }
        return (0..<engine.count).filter { isReady($0, engine) }
    }

    /// Shards that sleep, and until when.
    var sleepingShards: [(shard: Int, until: UInt64)] {
        guard let engine else { return [] }
        return (0..<engine.count).filter { engine.place(of: $0) == .asleep }.map { ($0, rings[$0].sleepsUntil) }
    }

    /// Operations that a shard has submitted and that are not over.
    func operations(of shard: Int) -> Int { rings[shard].operationCount }

    private func isReady(_ shard: Int, _ engine: SteppedEngine) -> Bool {
        switch engine.place(of: shard) {
        case .ended: false
        case .awake: true
        case .asleep: rings[shard].hasCompletion || rings[shard].sleepsUntil <= now
        }
    }

    func step(_ shard: Int) {
        guard let engine else { return }
        host.world = self
        host.note(1, UInt64(shard), now)
        let wasAsleep = engine.place(of: shard) == .asleep
        engine.step(shard)
        // Processor time passes with every turn.
        if wasAsleep { host.advance(to: now + random.time(500...5_000)) }
        checkBounds(engine)
    }

    private func checkBounds(_ engine: SteppedEngine) {
        let limits = scenario.limits
        let bound = max(limits.unsentBytesPerFlow, 65_536) + 32_768
        let streams = scenario.base.flows.count + fates.reduce(0) { $0 + $1.forgotten.count }
        let parked = engine.total(.tcpUnsentBytes)
        if parked > streams * bound { fail("\(parked) bytes are parked") }
    }

    // MARK: Ending

    /// Goes on to the next phase where it is time. Returns whether it was.
    func advance() -> Bool {
        switch phase {
        case .waiting, .over: return false
        case .running:
            guard isQuiet, let engine else { return false }
            judgeEngine(engine)
            stop()
            return true
        case .stopping:
            guard let engine, (0..<engine.count).allSatisfy({ engine.place(of: $0) == .ended }) else { return false }
            end(engine)
            return true
        }
    }

    /// Nothing is going on, and everything that was lent is back.
    private var isQuiet: Bool {
        guard scenario.ending == .quiet, scheduled == 0, let engine,
            rings.allSatisfy({ $0.scheduledEvents == 0 }),
            (0..<engine.count).allSatisfy({ isIdle($0, engine) })
        else { return false }
        if !hasAskedForPorts {
            hasAskedForPorts = true
            host.world = self
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
        guard phase == .running else { return }
        log("the engine is stopped")
        phase = .stopping
        host.world = self
        engine?.stop()
    }

    /// Lets go of the engine as it is: the run has failed.
    func abandon() {
        phase = .over
        portsAreBack = nil
        engine = nil
        rings = []
    }

    private func end(_ engine: SteppedEngine) {
        phase = .over
        engine.closeUndelivered()
        if engine.descriptorsHeld != 0 { fail("\(engine.descriptorsHeld) descriptors stay counted") }
        portsAreBack = nil
        self.engine = nil
        rings = []
        for port in ports { _ = host.close(port) }
        ports = []
        taps = []
    }
}
