internal import RingwayEngine
internal import RingwayModel
internal import RingwayStack
internal import RingwaySystem
internal import RingwayWire

/// A model guest that sends nothing but datagrams to `neighbor`, the other guest of a pair, and checks the datagrams
/// that it receives.
final class NeighborGuest: ModelWorld {
    let number: Int
    let address: TransportAddress
    let mac: MACAddress
    private let host: ModelHost
    private let pattern: StreamPattern
    var engine: SteppedEngine?
    var taps: [ModelTap] = []
    /// The number of admissions that remain, including the current one.
    var visits: Int
    /// Whether the guest has begun to send since its admission.
    var isJoined = false
    /// The number of frames that remain to be sent before the guest is removed.
    var budget = 0
    private var sent = 0
    private(set) var received = Set<Int>()
    weak var neighbor: NeighborGuest?

    init(_ number: Int, _ plan: NetworkPlan, visits: Int, on host: ModelHost) {
        self.number = number
        self.host = host
        self.visits = visits
        mac = MACAddress(rawValue: 0x0200_0000_0100 + UInt64(number))
        let first = plan.firstGuestIPv4.rawValue
        address = TransportAddress(
            address: IPAddress(IPv4Address(rawValue: first + UInt32(number))), port: UInt16(5_000 + number))
        pattern = StreamPattern(seed: SplitMix64.mix(UInt64(number)))
    }

    private func fail(_ text: String) { host.blame("neighbour \(number): \(text)") }

    /// The payload of the frame with this number.
    private func payload(_ frame: Int) -> [UInt8] {
        var payload = [UInt8](repeating: 0, count: 8 + Int(SplitMix64.mix(UInt64(frame)) % 1_200))
        FrameLayout.putLong(UInt32(frame), &payload, 0)
        payload.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress { pattern.fill(base + 4, bytes.count - 4, from: frame * 7) }
        }
        return payload
    }

    /// The next frame for the neighbour.
    func nextFrame() -> [UInt8]? {
        guard let neighbor else { return nil }
        var frame = GuestNeighborFrames.datagram(
            from: address, to: neighbor.address, payload: payload(sent), echo: nil)
        sent += 1
        for index in 0..<6 {
            let shift = UInt64(40 - 8 * index)
            frame[FrameLayout.virtio + index] = UInt8(truncatingIfNeeded: neighbor.mac.rawValue >> shift)
            frame[FrameLayout.virtio + 6 + index] = UInt8(truncatingIfNeeded: mac.rawValue >> shift)
        }
        return frame
    }

    /// Checks a received frame. Frames may be lost, but must not be changed, duplicated or misdelivered.
    func frameWritten(_ frame: [UInt8]) {
        host.note(4, UInt64(frame.count))
        guard frame.count > FrameLayout.ip + 32, FrameLayout.isIPv4(frame), frame[FrameLayout.ip + 9] == 17,
            let neighbor
        else { return }
        let payload = Array(frame[(FrameLayout.ip + 28)...])
        let number = Int(FrameLayout.long(payload, 0))
        guard number < neighbor.sent, payload == neighbor.payload(number) else {
            return fail("a frame is not as it was")
        }
        let target = MACAddress(rawValue: (0..<6).reduce(0) { $0 << 8 | UInt64(frame[FrameLayout.virtio + $1]) })
        guard target == mac else { return fail("a frame for another one") }
        guard received.insert(number).inserted else { return fail("frame \(number) comes twice") }
    }

    func frameTaken(_ frame: [UInt8]) {}
    func connects(_ stream: ModelStream, to address: TransportAddress) { fail("a connect to \(address)") }
    func datagramSent(_ payload: [UInt8], by socket: ModelDatagramSocket, to address: TransportAddress) {
        fail("a datagram to \(address)")
    }
    func socketsWanted(family: UInt8, count: Int, _ line: ModelSocketLine) { fail("sockets are wanted") }
}

/// Two guests of one network that are admitted and removed while they exchange frames. Their shards also serve other
/// guests.
final class NeighborGuests {
    /// A registry that grants every address.
    private struct AllClaims: AddressClaims {
        func claim(_ address: IPv6Address) -> Bool { true }
        func release(_ address: IPv6Address) {}
        func replace(_ address: IPv4Address) -> IPv4Address? { nil }
        func refused(_ address: IPAddress) {}
    }

    private let shards: EngineShards
    private let host: ModelHost
    private let scenario: EngineScenario
    private var random: SplitMix64
    private let guests: [NeighborGuest]
    /// The number of guests that are admitted or will be admitted again.
    private var present = 2

    init(_ scenario: EngineScenario, random: SplitMix64, on shards: EngineShards) {
        var random = random
        self.scenario = scenario
        self.shards = shards
        host = shards.host
        guests = (0..<2).map { [host = shards.host] number in
            NeighborGuest(number, scenario.base.plan, visits: random.integer(1...4), on: host)
        }
        self.random = random
        guests[0].neighbor = guests[1]
        guests[1].neighbor = guests[0]
        for guest in guests { comeLater(guest) }
    }

    var isOver: Bool { present == 0 }

    private func comeLater(_ guest: NeighborGuest) {
        schedule(after: random.time(0...500_000_000)) { [unowned self] in come(guest) }
    }

    private func schedule(after nanoseconds: UInt64, _ body: @escaping () -> Void) {
        host.schedule(after: nanoseconds, body)
    }

    private func come(_ guest: NeighborGuest) {
        host.world = guest
        host.isCalm = true
        defer { host.isCalm = false }
        let base = scenario.base
        // Some guests have a queue for each shard, others have one.
        guest.taps = (0..<random.integer(1...EngineShards.count)).map { ModelTap(host, queue: $0) }
        let queues = guest.taps.map { host.open($0) }
        let stack = Stack.Configuration(
            plan: base.plan, limits: scenario.limits, policy: DestinationPolicy(), guestMAC: guest.mac,
            guestIPv4: guest.address.address.ipv4, guestIPv6: base.plan.firstGuestIPv6, shard: 0,
            shards: queues.count, secret: base.secret)
        var configuration = EngineConfiguration(stack: stack)
        configuration.claims = AllClaims()
        do throws(SystemError) {
            guest.engine = try SteppedEngine(configuration, queues: queues, on: shards.stepped) { _ in }
        } catch {
            host.blame("a neighbour does not start: \(error)")
        }
    }

    /// Starts a guest that the shards have admitted, or drops one that they have removed. Returns false if there is no
    /// such guest.
    func advance() -> Bool {
        for guest in guests {
            guard let engine = guest.engine else { continue }
            engine.poll()
            switch engine.phase {
            case .serving where !guest.isJoined: join(guest, engine)
            case .gone: leave(guest)
            default: continue
            }
            return true
        }
        return false
    }

    private func join(_ guest: NeighborGuest, _ engine: SteppedEngine) {
        guest.isJoined = true
        guest.budget = random.skewed(300)
        if let other = guest.neighbor?.engine, other.phase == .serving {
            engine.addNeighbor(other)
            other.addNeighbor(engine)
        }
        send(guest)
    }

    /// Sends some of the guest's frames, and schedules the next ones. Removes the guest when all have been sent.
    private func send(_ guest: NeighborGuest) {
        guard let engine = guest.engine, engine.phase == .serving else { return }
        for _ in 0..<min(guest.budget, random.skewed(40)) {
            guest.budget -= 1
            if let frame = guest.nextFrame() { random.pick(guest.taps).append(frame) }
        }
        guard guest.budget == 0 else {
            return schedule(after: random.time(0...20_000_000)) { [unowned self] in send(guest) }
        }
        if let other = guest.neighbor?.engine, other.phase == .serving {
            other.removeNeighbor(engine)
            engine.removeNeighbor(other)
        }
        engine.stop()
    }

    private func leave(_ guest: NeighborGuest) {
        guest.engine = nil
        guest.taps = []
        guest.isJoined = false
        guest.visits -= 1
        if guest.visits > 0 { comeLater(guest) } else { present -= 1 }
    }

    /// The number of frames that the two guests have received.
    var frameCount: Int { guests.reduce(0) { $0 + $1.received.count } }

    /// Drops the engines of a failed run without stopping them. After any other run the engines are already gone.
    func abandon() { for guest in guests { guest.engine = nil } }
}
