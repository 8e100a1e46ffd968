internal import RingwayModel
internal import RingwayStack

/// The scripted behaviour of the two ends of one connection.
struct FlowScript: Sendable {
    /// When an end closes its direction of the connection.
    enum Closing: Sendable { case afterSending, afterPeerEnded }

    /// A deviation from a connection that both ends close normally. Times are in nanoseconds.
    enum Disturbance: Sendable, Equatable {
        case none
        /// The guest's application resets the connection.
        case guestResets(at: UInt64)
        /// The guest's application closes the socket after its last byte; data that still arrives is answered by RST.
        case guestCloses
        /// The guest disappears without sending anything.
        case guestVanishes(at: UInt64)
        /// The guest forgets the connection and opens it again from the same port.
        case guestForgets(at: UInt64, reopens: UInt64)
        /// The guest opens a second connection from the same port this long after the first has ended and its old
        /// segments are gone.
        case guestReturns(after: UInt64)
        /// The host's socket fails.
        case hostFails(at: UInt64)
    }

    /// The host's result of one attempt to connect.
    enum ConnectAnswer: Sendable {
        case succeeds, refused, hostUnreachable, networkUnreachable, prohibited, timedOut, exhausted
    }

    var index = 0
    var isIPv6 = false
    var isOpenedByHost = false
    /// Nanoseconds after the simulation's start.
    var startsAt: UInt64 = 0
    var guest: TransportAddress
    /// The remote address as the guest sees it.
    var remote: TransportAddress
    /// The remote address as the host sees it.
    var hostAddress: TransportAddress
    var guestListens = true

    var guestBytes = 0
    var hostBytes = 0
    var toHost = StreamPattern(seed: 0)
    var toGuest = StreamPattern(seed: 0)
    var guestCloses = Closing.afterSending
    var hostCloses = Closing.afterSending
    var behavior = GuestBehavior()

    /// The results of the first, second, … attempt; the last one also applies to all later attempts.
    var connectAnswers: [ConnectAnswer] = [.succeeds]
    var connectDelay: UInt64 = 1_000_000
    var disturbance = Disturbance.none

    // The behaviour of the host's socket.
    var hostDelay: UInt64 = 1_000_000
    /// The most bytes that one operation moves.
    var hostSize = 65_536
    var stallChance = 0.0
    var stall: UInt64 = 0

    /// Whether both streams must arrive completely.
    var mustSucceed: Bool {
        disturbance == .none && connectAnswers.last == .succeeds && guestListens
    }
}

extension FlowScript {
    static var second: UInt64 { 1_000_000_000 }

    init(index: Int, from random: inout SplitMix64, scenario: Scenario) {
        let plan = scenario.plan
        isIPv6 = random.chance(0.35)
        isOpenedByHost = random.chance(0.4)
        self.index = index
        let remotePort = UInt16(20_000 + index)
        let guestAddress = isIPv6 ? IPAddress(plan.firstGuestIPv6) : IPAddress(plan.firstGuestIPv4)
        guest = TransportAddress(address: guestAddress, port: UInt16(40_000 + index))
        let throughLoopback = random.chance(0.3)
        let loopback = isIPv6 ? IPAddress(IPv6Address(high: 0, low: 1)) : IPAddress(IPv4Address(127, 0, 0, 1))
        let shown = isIPv6 ? IPAddress(plan.hostIPv6) : IPAddress(plan.hostIPv4)
        let outside =
            isIPv6
            ? IPAddress(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(index) + 1))
            : IPAddress(IPv4Address(198, 51, 100, UInt8(index + 1)))
        remote = TransportAddress(address: throughLoopback ? shown : outside, port: remotePort)
        hostAddress = TransportAddress(address: throughLoopback ? loopback : outside, port: remotePort)

        startsAt = UInt64(random.skewed(3_000)) * 1_000_000
        let limit = random.pick([0, 200, 3_000, 30_000, 100_000, scenario.largestStream])
        guestBytes = random.chance(0.15) ? 0 : random.integer(0...limit)
        hostBytes = random.chance(0.15) ? 0 : random.integer(0...limit)
        toHost = StreamPattern(seed: random.next())
        toGuest = StreamPattern(seed: random.next())
        switch random.integer(0...2) {
        case 0: guestCloses = .afterPeerEnded
        case 1: hostCloses = .afterPeerEnded
        default: break
        }
        behavior = GuestBehavior(from: &random, byteCount: max(guestBytes, hostBytes))
        if behavior.renegeChance > 0 { hostBytes = min(hostBytes, 100_000) }
        if !behavior.avoidsSillyWindows { hostBytes = min(hostBytes, 20_000) }

        hostDelay = UInt64(random.skewed(10_000_000)) + 1_000
        hostSize = max(random.skewed(65_536), max(guestBytes, hostBytes) / 100, 1)
        if random.chance(0.3) {
            stallChance = random.fraction() * 0.1
            stall = UInt64(random.skewed(10_000)) * 1_000_000
        }
        connectDelay = UInt64(random.skewed(2_000)) * 1_000_000 + 10_000
        chooseFate(&random)
    }

    private mutating func chooseFate(_ random: inout SplitMix64) {
        if isOpenedByHost {
            guestListens = random.chance(0.95)
        } else if random.chance(0.12) {
            let failures: [ConnectAnswer] = [.refused, .hostUnreachable, .networkUnreachable, .prohibited, .timedOut]
            connectAnswers = [random.pick(failures)]
            if connectAnswers == [.timedOut] { connectDelay = 127 * Self.second }
        } else if random.chance(0.1) {
            connectAnswers = [.exhausted, .succeeds]
        }
        guard random.chance(0.3) else { return }
        let at = startsAt + UInt64(random.skewed(8_000)) * 1_000_000 + 1
        switch random.integer(0...5) {
        case 0: disturbance = .guestResets(at: at)
        case 1: disturbance = .guestCloses
        case 2: disturbance = .guestVanishes(at: at)
        case 3 where !isOpenedByHost && connectAnswers.last == .succeeds:
            disturbance = .guestForgets(at: at, reopens: at + UInt64(random.skewed(4_000)) * 1_000_000)
        case 4 where !isOpenedByHost && connectAnswers.last == .succeeds:
            disturbance = .guestReturns(after: UInt64(random.skewed(2_000)) * 1_000_000)
        default: disturbance = .hostFails(at: at)
        }
    }
}
