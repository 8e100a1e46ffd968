internal import RingwaySystem

/// Guests that come and go on one host, by one seed.
///
/// `run` goes from event to event. At each instant it lets the shards of all engines step in an order that the seed draws,
/// so that mail between them, completions and frames meet in every order; where all sleep it moves the clock to the next
/// event or deadline.
final class EngineRun {
    let host: ModelHost
    private let networks: [EngineNetwork]
    private var random: SplitMix64
    /// Chance that a shard which nothing wakes has a turn all the same.
    private let idleTurns: Double
    private(set) var report = EngineReport()

    init(seed: UInt64, recorder: Recorder?) {
        var random = SplitMix64(seed: SplitMix64.mix(seed &+ 0x686F_7374))
        let count = random.pick([1, 1, 1, 2, 3])
        let scenarios = (0..<count).compactMap { guest in
            EngineScenario(seed: guest == 0 ? seed : SplitMix64.mix(seed &+ UInt64(guest)))
        }
        let script = HostScript(from: &random)
        let startsAt = random.time(1_000_000_000...1 << 47)
        let healsAfter = scenarios.map { $0.comesAt + $0.base.healsAfter }.max() ?? 0
        host = ModelHost(script, random: random.split(), startsAt: startsAt, healsAt: startsAt + healsAfter)
        networks = scenarios.enumerated().map { [host] guest, scenario in
            if let recorder { recorder.begin(scenario.base) }
            return EngineNetwork(scenario, guest: guest, on: host, recorder: recorder)
        }
        idleTurns = random.pick([0, 0.02, 0.2])
        self.random = random.split()
    }

    /// Hours of the clock that no scenario needs, and steps.
    private static var timeLimit: UInt64 { 8 * 3_600 * 1_000_000_000 }
    private static var stepLimit: Int { 5_000_000 }

    func run() {
        HostModel.makeCurrent(host)
        defer { HostModel.makeCurrent(nil) }
        for network in networks {
            host.schedule(after: network.scenario.comesAt) { [unowned network] in network.come() }
        }
        while host.failure == nil, !networks.allSatisfy({ $0.phase == .over }) { goOn() }
        settle()
        finish()
    }

    private func goOn() {
        if host.now - host.startsAt > Self.timeLimit { return fail("something does not end") }
        report.steps += 1
        if report.steps > Self.stepLimit { return fail("the shards never come to rest") }
        for network in networks where network.advance() { return }
        var ready: [(EngineNetwork, Int)] = []
        for network in networks { ready += network.readyShards.map { (network, $0) } }
        let isDue = host.nextTime.map { $0 <= host.now } ?? false
        if !ready.isEmpty, !isDue || random.chance(0.5) {
            let (network, shard) = random.pick(ready)
            return network.step(shard)
        }
        if host.happen() { return }
        if ready.isEmpty { sleep() }
    }

    /// All shards sleep: the clock moves to what comes next. Now and then one wakes for no reason.
    private func sleep() {
        var next = host.nextTime ?? .max
        for network in networks {
            for (shard, until) in network.sleepingShards {
                if random.chance(idleTurns) { return network.step(shard) }
                next = min(next, until)
            }
        }
        guard next < .max else {
            // What is quiet has its end.
            for network in networks where network.advance() { return }
            if !networks.contains(where: { !$0.readyShards.isEmpty }), host.nextTime == nil {
                fail("nothing is going to happen")
            }
            return
        }
        host.advance(to: max(host.now + 1, next))
    }

    private func fail(_ text: String) {
        host.blame("\(text): \(networks.filter { $0.phase != .over }.map(\.openEnds).joined(separator: "; "))")
    }

    /// What was on its way still arrives: late completions, and what peers see of an engine's end.
    private func settle() {
        while host.failure == nil, let next = host.nextTime {
            if next - host.startsAt > 2 * Self.timeLimit { return fail("the host does not come to rest") }
            host.advance(to: next)
            _ = host.happen()
        }
    }

    private func finish() {
        if host.failure == nil {
            for network in networks { network.judgePeers() }
            let open = host.openFiles
            if !open.isEmpty { host.blame("descriptors stay open: \(open.joined(separator: ", "))") }
        }
        for network in networks { network.abandon() }
        report.failure = host.failure
        report.duration = host.now - host.startsAt
        report.digest = host.digest
        for network in networks { report.add(network.report) }
    }
}
