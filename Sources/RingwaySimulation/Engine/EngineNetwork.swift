internal import RingwayEngine
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// A guest on the shards of a run, between a model TAP and peers on the model host.
///
/// ## Theory of operation
///
/// The engine under test is the real one, but without threads (`SteppedEngine`). Its rings are scripted, and the
/// model host provides descriptors and clock. `EngineRun` steps the shards, which other guests share.
///
/// Guest (`GuestConnection`), flows and link faults are the same as in the simulation of the stack alone
/// (`SimulatedNetwork`). On the host, `EnginePeer` is the peer of connections, and `EngineNetwork+Datagrams` has the
/// peers of datagrams.
///
///     waiting ─► coming ─► running ─► stopping ─► over
///        ▲         │
///        └─────────┘ withdrawn
final class EngineNetwork: ModelWorld {
    enum Phase { case waiting, coming, running, stopping, over }

    static var shardCount: Int { EngineShards.count }

    let guest: Int
    let scenario: EngineScenario
    let recorder: Recorder?
    let host: ModelHost
    private let shards: EngineShards
    private(set) var phase = Phase.waiting
    private(set) var engine: SteppedEngine?
    /// The position of this guest in the order of admissions. If two guests have the same slot of a shard, the guest
    /// with the lower number has already left the shard.
    private(set) var order = 0
    /// How many more admissions of the guest are withdrawn before one succeeds.
    private var withdrawals: Int
    var random: SplitMix64
    var toStack: FaultyLink
    var toGuest: FaultyLink
    let inspector: FrameInspector
    var taps: [ModelTap] = []
    /// Descriptors of the link's queues and of the channels for sockets inside the guest. The engine adopts them when
    /// an admission succeeds; after a withdrawn admission they are closed here.
    private var lent: [Int32] = []
    /// The sockets of published ports, which are lent to the engine: `ports` has their descriptors, `listeners` the
    /// TCP listeners by flow. With the ending `quiet` the engine must return them before the guest is removed;
    /// `portsAreBack` says whether it has.
    var ports: [Int32] = []
    var listeners: [Int: ModelListener] = [:]
    private(set) var hasAskedForPorts = false
    private var portsAreBack: (() -> Bool)?
    /// The number of events that this network has scheduled and that have not happened yet.
    private var scheduled = 0

    var connections: [GuestConnection?]
    var wakes: [UInt64]
    var fates: [SimulatedNetwork.Fate]
    var observers: [FlowObserver]
    /// The link queue that each flow's frames use.
    var queues: [Int]
    var peers: [EnginePeer] = []
    var exchanges: [DatagramExchange] = []
    /// Flows that have bypassed the link.
    var relayed = Set<Int>()
    var report = EngineReport()

    init(_ scenario: EngineScenario, guest: Int, on shards: EngineShards, recorder: Recorder?) {
        self.scenario = scenario
        self.guest = guest
        self.shards = shards
        host = shards.host
        self.recorder = recorder
        random = scenario.generator
        withdrawals = random.chance(0.1) ? random.integer(1...3) : 0
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

    // MARK: Starting

    func come() {
        guard phase == .waiting else { return }
        phase = .coming
        order = shards.nextOrder()
        host.world = self
        host.isCalm = true
        defer { host.isCalm = false }
        do throws(SystemError) {
            try makeEngine()
        } catch {
            fail("the engine does not start: \(error)")
        }
    }

    private func makeEngine() throws(SystemError) {
        let base = scenario.base
        taps = (0..<Self.shardCount).map { ModelTap(host, queue: $0) }
        let queues = taps.map { host.open($0) }
        lent = queues
        var stack = Stack.Configuration(
            plan: base.plan, limits: scenario.limits, policy: DestinationPolicy(),
            guestMAC: MACAddress(rawValue: GuestFrameBuilder.guestMAC), guestIPv4: base.plan.firstGuestIPv4,
            guestIPv6: base.plan.firstGuestIPv6, shard: 0, shards: Self.shardCount, secret: base.secret)
        stack.congestion = base.congestion
        var configuration = EngineConfiguration(stack: stack)
        if scenario.hasGuestSockets {
            configuration.guestSockets = queues.map { _ in host.open(ModelSocketLine(host)) }
            lent += configuration.guestSockets
        }
        withdrawals -= 1
        engine = try SteppedEngine(configuration, queues: queues, on: shards.stepped, isWithdrawn: withdrawals >= 0) {
            _ in
        }
    }

    /// Starts the flows, once the shards have admitted the guest.
    private func begin() {
        phase = .running
        host.world = self
        host.isCalm = true
        defer { host.isCalm = false }
        let base = scenario.base
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

    /// The guest's slot on each shard that serves it.
    private func slots(_ engine: SteppedEngine) -> [(shard: Int, slot: UInt16)] {
        (0..<Self.shardCount).compactMap { shard in engine.slot(on: shard).map { (shard, $0) } }
    }

    /// Called after each step of a shard.
    func stepped() {
        guard let engine, phase == .running || phase == .stopping else { return }
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

    /// Enters the next phase if its condition is met; returns whether it was.
    func advance() -> Bool {
        guard let engine else { return false }
        engine.poll()
        switch phase {
        case .waiting, .over: return false
        case .coming:
            if let failure = engine.failure { fail("a shard does not admit the guest: \(failure)") }
            switch engine.phase {
            case .serving: begin()
            case .gone: comeLater()
            default: return false
            }
            return true
        case .running:
            guard isQuiet(engine) else { return false }
            judgeEngine(engine)
            stop()
            return true
        case .stopping:
            guard engine.phase == .gone else { return false }
            end(engine)
            return true
        }
    }

    /// The guest was withdrawn, and is admitted again later.
    private func comeLater() {
        log("the guest was withdrawn")
        engine = nil
        for descriptor in lent { _ = host.close(descriptor) }
        phase = .waiting
        host.schedule(after: random.time(0...100_000_000)) { [unowned self] in come() }
    }

    /// Whether a guest with the ending `quiet` can be removed: the engine is idle and has returned the sockets of
    /// published ports. The first call that finds the engine idle asks for them.
    private func isQuiet(_ engine: SteppedEngine) -> Bool {
        guard scenario.ending == .quiet, scheduled == 0, shards.areQuiet(for: slots(engine)),
            (0..<engine.count).allSatisfy({ isIdle($0, engine) })
        else { return false }
        // While no descriptor is free, clients wait in the listen queue until the engine tries again to accept them.
        guard hasAskedForPorts || listeners.values.allSatisfy({ $0.clients.isEmpty }) else { return false }
        if !hasAskedForPorts {
            hasAskedForPorts = true
            host.world = self
            portsAreBack = engine.unlisten(Set(0..<64))
            return false
        }
        return portsAreBack?() ?? true
    }

    private func isIdle(_ part: Int, _ engine: SteppedEngine) -> Bool {
        let holdings = engine.holdings(of: part)
        return holdings.connections == 0 && holdings.relays == 0 && holdings.datagramSockets == 0
            && holdings.pingSockets == 0
    }

    /// Compares the shards' count of the guest's operations with the rings' count; returns the error or `nil`.
    func faultOfOperations(_ engine: SteppedEngine) -> String? {
        let counted = (0..<engine.count).reduce(0) { $0 + engine.holdings(of: $1).operations }
        let known = slots(engine).reduce(0) { $0 + shards.operations(of: $1.slot, on: $1.shard) }
        return counted == known ? nil : "\(counted) operations are counted, the rings have \(known)"
    }

    func stop() {
        guard phase == .running else { return }
        log("the guest is stopped")
        phase = .stopping
        host.world = self
        if scenario.ending != .quiet { connectLast() }
        engine?.stop()
    }

    /// Drops the engine of a failed run without stopping it. After any other run the engine is already gone.
    func abandon() {
        phase = .over
        portsAreBack = nil
        engine = nil
    }

    private func end(_ engine: SteppedEngine) {
        phase = .over
        if engine.descriptorsHeld != 0 { fail("\(engine.descriptorsHeld) descriptors stay counted") }
        portsAreBack = nil
        self.engine = nil
        for port in ports { _ = host.close(port) }
        ports = []
        taps = []
    }
}
