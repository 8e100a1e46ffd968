internal import RingwayEngine
internal import RingwayRing
internal import RingwaySystem

/// Runs one or more guests on the shards of one host, which admit and remove them. One seed determines the run.
///
/// `run` proceeds from event to event. At each instant the shards step in a random order, so that each seed interleaves
/// messages, completions and frames differently. When all shards sleep, `run` advances the clock to the next event or
/// deadline. When all guests are removed, the shards must hold no resources, and are stopped.
final class EngineRun {
    let host: ModelHost
    private let scenarios: [EngineScenario]
    private let recorder: Recorder?
    private var shards: EngineShards?
    private var networks: [EngineNetwork] = []
    private var neighbors: NeighborGuests?
    private let hasNeighbors: Bool
    private var random: SplitMix64
    /// Chance that a sleeping shard wakes although it has no completion and its wait has not timed out.
    private let idleTurns: Double
    private(set) var report = EngineReport()

    init(seed: UInt64, recorder: Recorder?) {
        var random = SplitMix64(seed: SplitMix64.mix(seed &+ 0x686F_7374))
        let count = random.pick([1, 1, 1, 2, 3, 5])
        scenarios = (0..<count).compactMap { guest in
            EngineScenario(seed: guest == 0 ? seed : SplitMix64.mix(seed &+ UInt64(guest)))
        }
        let script = HostScript(from: &random)
        let startsAt = random.time(1_000_000_000...1 << 47)
        let healsAfter = scenarios.map { $0.comesAt + $0.base.healsAfter }.max() ?? 0
        host = ModelHost(script, random: random.split(), startsAt: startsAt, healsAt: startsAt + healsAfter)
        idleTurns = random.pick([0, 0.02, 0.2])
        hasNeighbors = random.chance(0.4)
        self.recorder = recorder
        self.random = random.split()
    }

    /// The limits of simulated time and of steps. No scenario needs that much, so a run that reaches a limit fails.
    private static var timeLimit: UInt64 { 8 * 3_600 * 1_000_000_000 }
    private static var stepLimit: Int { 5_000_000 }

    func run() {
        HostModel.makeCurrent(host)
        defer { HostModel.makeCurrent(nil) }
        do throws(SystemError) {
            let limits = scenarios.map(\.limits)
            let shards = try EngineShards(on: host, limits: hasNeighbors ? limits + limits.prefix(1) : limits)
            host.isCalm = false
            self.shards = shards
            run(shards)
        } catch {
            host.blame("the shards do not start: \(error)")
        }
        settle()
        finish()
    }

    private func run(_ shards: EngineShards) {
        networks = scenarios.enumerated().map { guest, scenario in
            if let recorder { recorder.begin(scenario.base) }
            return EngineNetwork(scenario, guest: guest, on: shards, recorder: recorder)
        }
        for network in networks {
            host.schedule(after: network.scenario.comesAt) { [unowned network] in network.come() }
        }
        if hasNeighbors { neighbors = NeighborGuests(scenarios[0], random: random.split(), on: shards) }
        while host.failure == nil, !haveGone { goOn(shards) }
        while host.failure == nil, !shards.areAtRest { goOn(shards) }
        if let fault = shards.fault { host.blame(fault) }
        shards.stepped.stop()
        while host.failure == nil, !shards.haveEnded { goOn(shards) }
    }

    private var haveGone: Bool { (neighbors?.isOver ?? true) && networks.allSatisfy { $0.phase == .over } }

    private func goOn(_ shards: EngineShards) {
        if host.now - host.startsAt > Self.timeLimit { return fail("something does not end") }
        report.steps += 1
        if report.steps > Self.stepLimit { return fail("the shards never come to rest") }
        for network in networks where network.advance() { return }
        if let neighbors, neighbors.advance() { return }
        let ready = shards.ready
        let isDue = host.nextTime.map { $0 <= host.now } ?? false
        if !ready.isEmpty, !isDue || random.chance(0.5) { return step(random.pick(ready), shards) }
        if host.happen() { return }
        if ready.isEmpty { sleep(shards) }
    }

    private func step(_ shard: Int, _ shards: EngineShards) {
        host.note(1, UInt64(shard), host.now)
        let wasAsleep = shards.stepped.place(of: shard) == .asleep
        host.servedWorld = { [unowned self, unowned shards] in
            let slot = shards.stepped.servedSlot(of: shard)
            return networks.filter { $0.engine?.slot(on: shard) == slot }.max { $0.order < $1.order }
        }
        shards.stepped.step(shard)
        host.servedWorld = nil
        // A turn takes time, but the clock advances only for a shard's first turn after a sleep.
        if wasAsleep { host.advance(to: host.now + random.time(500...5_000)) }
        for network in networks { network.stepped() }
    }

    /// All shards sleep: advances the clock to the next event, or sometimes wakes a shard early (`idleTurns`).
    private func sleep(_ shards: EngineShards) {
        var next = host.nextTime ?? .max
        for (shard, until) in shards.sleeping {
            if random.chance(idleTurns) { return step(shard, shards) }
            next = min(next, until)
        }
        guard next < .max else { return fail("nothing is going to happen") }
        host.advance(to: max(host.now + 1, next))
    }

    private func fail(_ text: String) {
        host.blame("\(text): \(networks.filter { $0.phase != .over }.map(\.openEnds).joined(separator: "; "))")
    }

    /// Delivers what is still in flight: late completions, and closes and resets that the peers have not yet seen.
    private func settle() {
        while host.failure == nil, let next = host.nextTime {
            if next - host.startsAt > 2 * Self.timeLimit { return fail("the host does not come to rest") }
            host.advance(to: next)
            _ = host.happen()
        }
    }

    private func finish() {
        if host.failure == nil { for network in networks { network.judgePeers() } }
        for network in networks { report.add(network.report) }
        // Operations on the rings refer to the guests' memory, so the rings are closed before that memory is freed.
        shards?.stepped.end()
        for network in networks { network.abandon() }
        report.neighborFrames = neighbors?.frameCount ?? 0
        neighbors?.abandon()
        neighbors = nil
        networks = []
        shards = nil
        let open = host.openFiles
        if !open.isEmpty { host.blame("descriptors stay open: \(open.joined(separator: ", "))") }
        report.failure = host.failure
        report.duration = host.now - host.startsAt
        report.digest = host.digest
    }
}
