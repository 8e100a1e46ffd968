import RingwayModel
import RingwayWire
import Testing

@testable import RingwayStack

/// RFC 4861 §6.2, RFC 8106.
@Suite("Router advertisement")
struct RouterAdvertisementTests {
    private static let second: UInt64 = 1_000_000_000
    private var plan: NetworkPlan

    init() throws {
        plan = try ServiceNetwork.plan(mtu: 1_400)
    }

    /// A noncopyable router for closures to share.
    private final class Bench {
        var router: RouterAdvertisement

        init(_ plan: NetworkPlan, _ configuration: RouterAdvertisement.Configuration = .init(), now: UInt64 = 0) {
            router = RouterAdvertisement(plan: plan, configuration: configuration, now: now)
        }

        var nextDeadline: UInt64 { router.nextDeadline }
        var drops: ServiceDropCounts { router.drops }

        func answer(to frame: GuestFrame, now: UInt64 = 0) throws -> GuestFrame? {
            let summary = try frame.summary()
            return written { room in
                frame.bytes.withUnsafeBytes { router.respond(to: $0, summary, now: now, into: room) }
            }
        }

        func advertise(now: UInt64) -> GuestFrame? { written { router.advertise(now: now, into: $0) } }
        func setSearchDomains(_ domains: [String], now: UInt64) { router.setSearchDomains(domains, now: now) }
        func withdraw() -> GuestFrame? { written { router.withdraw(into: $0) } }
    }

    private func solicitation(
        from source: IPv6Address = ServiceNetwork.guestLinkLocal, linkLayer: MACAddress? = ServiceNetwork.guestMAC,
        hopLimit: UInt8 = 255
    ) -> GuestFrame {
        let message = GuestFrame.written(linkLayer == nil ? 8 : 16) { base in
            ICMPFields(type: ICMPv6Header.routerSolicitation).write(to: base)
            guard let linkLayer else { return }
            var options = NDPOptionWriter(base, offset: 8, capacity: 16)
            options.appendLinkLayerAddress(NDPOptions.sourceLinkLayerAddress, linkLayer)
        }
        return .icmpv6(message, from: source, to: .allRouters, hopLimit: hopLimit, to: .multicast(.allRouters))
    }

    /// The ICMPv6 message of a frame that was checked to be valid.
    private func message(_ frame: GuestFrame) throws -> [UInt8] {
        let summary = try frame.summary()
        #expect(summary.hopLimit == 255)
        #expect(summary.source == IPAddress(plan.gatewayLinkLocal))
        return Array(frame.bytes[Int(summary.transportOffset)...])
    }

    private func option(_ code: UInt8, _ message: [UInt8]) throws -> [UInt8]? {
        try message.withUnsafeBytes { bytes in
            let options = try #require(NDPOptions(UnsafeRawBufferPointer(rebasing: bytes[16...])))
            return options.option(code).map { Array($0) }
        }
    }

    @Test func `answers a solicitation to the guest that asked`() throws {
        let bench = Bench(plan)
        let reply = try #require(try bench.answer(to: solicitation()))
        let summary = try reply.summary()
        #expect(summary.destination == IPAddress(ServiceNetwork.guestLinkLocal))
        #expect(reply.bytes.withUnsafeBytes { EthernetHeader($0)?.destination } == ServiceNetwork.guestMAC)
    }

    @Test func `answers a burst of solicitations, and of a flood so many in a second`() throws {
        let bench = Bench(plan)
        func answers(_ count: Int, at now: UInt64) throws -> Int {
            try (0..<count).filter { _ in try bench.answer(to: solicitation(), now: now) != nil }.count
        }
        let (burst, rate) = (Int(RouterAdvertisement.answerBurst), Int(RouterAdvertisement.answerRate))
        #expect(try answers(10 * burst, at: 0) == burst)
        #expect(bench.drops[.solicitationRateLimited] == UInt64(9 * burst))
        #expect(try answers(10 * burst, at: Self.second) == rate)
        #expect(try answers(10, at: 10 * Self.second) == 10)
    }

    @Test func `answers a guest without an address by the group, in a frame to it alone`() throws {
        let bench = Bench(plan)
        let reply = try #require(try bench.answer(to: solicitation(from: .unspecified, linkLayer: nil)))
        #expect(try reply.summary().destination == IPAddress(IPv6Address.allNodes))
        #expect(reply.bytes.withUnsafeBytes { EthernetHeader($0)?.destination } == ServiceNetwork.guestMAC)
    }

    @Test func `refuses solicitations that crossed a router or contradict themselves`() throws {
        let bench = Bench(plan)
        #expect(try bench.answer(to: solicitation(hopLimit: 64)) == nil)
        #expect(try bench.answer(to: solicitation(from: .unspecified)) == nil)
        #expect(bench.drops[.neighborHopLimit] == 1)
        #expect(bench.drops[.neighborMalformed] == 1)
    }

    @Test func `advertises a default route, the prefix, the MTU and where the gateway is`() throws {
        let bench = Bench(plan)
        let message = try message(try #require(bench.advertise(now: 0)))
        #expect(message[0] == ICMPv6Header.routerAdvertisement)
        #expect(message[4] == 64)
        // Neither addresses nor other configuration by DHCPv6.
        #expect(message[5] == 0)
        #expect(UInt16(message[6]) << 8 | UInt16(message[7]) == 1_800)
        #expect(
            try option(NDPOptions.sourceLinkLayerAddress, message) == [1, 1, 0x52, 0x55, 0, 0, 0, 1])
        #expect(try option(NDPOptions.mtu, message) == [5, 1, 0, 0, 0, 0, 0x05, 0x78])
        let prefix = try #require(try option(NDPOptions.prefixInformation, message))
        #expect(prefix[2] == 64)
        #expect(prefix[3] == 0xC0)
        #expect(Array(prefix[4..<8]) == [0, 0, 0x15, 0x18])
        #expect(Array(prefix[8..<12]) == [0, 0, 0x0A, 0x8C])
        #expect(Array(prefix[16..<24]) == [0xFD, 0x12, 0x34, 0x56, 0x78, 0x9A, 0, 0])
        #expect(Array(prefix[24...]) == [UInt8](repeating: 0, count: 8))
    }

    @Test func `advertises changed search domains at once, and expires removed ones`() throws {
        var plan = plan
        plan.searchDomains = ["a.b", "c.d"]
        let bench = Bench(plan)
        _ = bench.advertise(now: 0)
        #expect(bench.nextDeadline > 0)
        bench.setSearchDomains(["a.b", "e.f"], now: 5)
        #expect(bench.nextDeadline == 5)
        let message = try message(try #require(bench.advertise(now: 5)))
        let list = try #require(try option(NDPOptions.domainSearchList, message))
        #expect(Array(list[4..<8]) == [0, 0, 7, 8])
        #expect(Array(list[8..<18]) == [1, 0x61, 1, 0x62, 0, 1, 0x65, 1, 0x66, 0])
        // The last option has the former domain with a lifetime of zero.
        #expect(Array(message.suffix(16)) == [31, 2, 0, 0, 0, 0, 0, 0, 1, 0x63, 1, 0x64, 0, 0, 0, 0])
        // The same list again causes no advertisement.
        let deadline = bench.nextDeadline
        bench.setSearchDomains(["a.b", "e.f"], now: 6)
        #expect(bench.nextDeadline == deadline)
    }

    @Test func `names the gateway as name server unless configured otherwise`() throws {
        let message = try message(try #require(Bench(plan).advertise(now: 0)))
        let servers = try #require(try option(NDPOptions.recursiveDNSServer, message))
        #expect(servers.count == 24)
        #expect(Array(servers[4..<8]) == [0, 0, 0x07, 0x08])
        #expect(Array(servers[8...]) == GuestFrame.written(16) { plan.gatewayIPv6.store(to: $0) })
        #expect(try option(NDPOptions.domainSearchList, message) == nil)
    }

    @Test func `lists search domains, padded to eight bytes, without invalid names`() throws {
        var plan = plan
        plan.searchDomains = ["ringway.internal", "bad..name", "a.b"]
        let message = try message(try #require(Bench(plan).advertise(now: 0)))
        let list = try #require(try option(NDPOptions.domainSearchList, message))
        let expected =
            [7] + Array("ringway".utf8) + [8] + Array("internal".utf8) + [0] + [1, 0x61, 1, 0x62, 0]
        #expect(list.count.isMultiple(of: 8))
        #expect(Array(list[8..<8 + expected.count]) == expected)
        #expect(list[(8 + expected.count)...].allSatisfy { $0 == 0 })
    }

    @Test func `goes to all nodes at once and thereafter when due`() throws {
        let bench = Bench(plan, now: 5 * Self.second)
        #expect(bench.nextDeadline == 5 * Self.second)
        #expect(bench.advertise(now: 5 * Self.second - 1) == nil)
        let frame = try #require(bench.advertise(now: 5 * Self.second))
        #expect(try frame.summary().destination == IPAddress(IPv6Address.allNodes))
        let mac = frame.bytes.withUnsafeBytes { EthernetHeader($0)?.destination }
        #expect(mac == MACAddress(rawValue: 0x3333_0000_0001))
        #expect(bench.advertise(now: bench.nextDeadline - 1) == nil)
        #expect(bench.advertise(now: bench.nextDeadline) != nil)
    }

    @Test("keeps the intervals of the RFC", arguments: UInt64(1)...8)
    func keepsIntervals(seed: UInt64) {
        var configuration = RouterAdvertisement.Configuration()
        configuration.seed = seed
        let bench = Bench(plan, configuration)
        var intervals: [UInt64] = []
        for _ in 0..<50 {
            let now = bench.nextDeadline
            #expect(bench.advertise(now: now) != nil)
            intervals.append(bench.nextDeadline - now)
        }
        #expect(intervals[..<2].allSatisfy { $0 <= 16 * Self.second })
        #expect(intervals[2...].allSatisfy { $0 >= 200 * Self.second && $0 <= 600 * Self.second })
        #expect(Set(intervals[2...]).count > 40)
    }

    @Test func `comes to each guest at times of its own`() throws {
        let times = try (UInt64(1)...3).map { secret in
            let net = try StackUnderTest(hasServices: true, secret: secret)
            var times: [UInt64] = []
            for _ in 0..<3_600 {
                net.advance(by: Self.second)
                if !net.frames.isEmpty { times.append(net.now) }
                net.frames = []
            }
            return times
        }
        #expect(times.allSatisfy { $0.count > 6 })
        #expect(Set(times).count == 3)
    }

    @Test func `a late turn sends once and goes on from then`() {
        let bench = Bench(plan)
        let late = 10_000 * Self.second
        #expect(bench.advertise(now: late) != nil)
        #expect(bench.advertise(now: late) == nil)
        #expect(bench.nextDeadline > late)
    }

    @Test func `stops being a router with a lifetime of zero`() throws {
        let message = try message(try #require(Bench(plan).withdraw()))
        #expect(message[6] == 0 && message[7] == 0)
        #expect(try option(NDPOptions.prefixInformation, message) != nil)
    }
}
