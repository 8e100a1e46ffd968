import RingwayWire
import Testing

@testable import RingwayStack

/// RFC 4861 §7.
@Suite("Neighbour discovery")
struct NeighborDiscoveryTests {
    let plan: NetworkPlan

    init() throws { plan = try ServiceNetwork.plan() }

    private static func solicitation(_ target: IPv6Address, linkLayer: MACAddress?) -> [UInt8] {
        let room = GuestFrame.written(32) {
            _ = NeighborSolicitationFields(target: target, sourceLinkLayerAddress: linkLayer).write(to: $0)
        }
        return linkLayer == nil ? Array(room[..<24]) : room
    }

    private func question(
        _ target: IPv6Address, from source: IPv6Address = ServiceNetwork.guestLinkLocal, hopLimit: UInt8 = 255,
        linkLayer: MACAddress? = ServiceNetwork.guestMAC, to destination: IPv6Address? = nil
    ) -> GuestFrame {
        .icmpv6(
            Self.solicitation(target, linkLayer: linkLayer), from: source,
            to: destination ?? target.solicitedNodeMulticast, hopLimit: hopLimit,
            to: .multicast(target.solicitedNodeMulticast))
    }

    private func answer(to frame: GuestFrame, _ responder: inout NeighborDiscovery) throws -> GuestFrame? {
        let summary = try frame.summary()
        return written { room in frame.bytes.withUnsafeBytes { responder.respond(to: $0, summary, into: room) } }
    }

    private func check(
        _ reply: GuestFrame, _ body: (NeighborAdvertisement, IPv6Header, EthernetHeader) -> Void
    ) throws {
        let summary = try reply.summary()
        #expect(summary.kind == .icmpv6)
        #expect(summary.hopLimit == 255)
        try reply.bytes.withUnsafeBytes { bytes in
            let ethernet = try #require(EthernetHeader(bytes))
            let header = try #require(IPv6Header(ethernet.payload))
            body(try #require(NeighborAdvertisement(header.payload)), header, ethernet)
        }
    }

    @Test func `tells where the gateway is, at both its addresses, and that it is a router`() throws {
        for target in [plan.gatewayLinkLocal, plan.gatewayIPv6] {
            var responder = NeighborDiscovery(plan: plan)
            let reply = try #require(try answer(to: question(target), &responder))
            try check(reply) { message, header, ethernet in
                #expect(message.target == target)
                #expect(message.isRouter && message.isSolicited && message.overrides)
                #expect(message.targetLinkLayerAddress == plan.gatewayMAC)
                #expect(header.source == target)
                #expect(header.destination == ServiceNetwork.guestLinkLocal)
                #expect(ethernet.destination == ServiceNetwork.guestMAC)
            }
        }
    }

    @Test func `tells where the host is, who is no router`() throws {
        var responder = NeighborDiscovery(plan: plan)
        let reply = try #require(try answer(to: question(plan.hostIPv6), &responder))
        try check(reply) { message, _, _ in #expect(!message.isRouter) }
    }

    @Test func `tells all nodes when a guest wants to have one of our addresses`() throws {
        var responder = NeighborDiscovery(plan: plan)
        let probe = question(plan.gatewayLinkLocal, from: .unspecified, linkLayer: nil)
        let reply = try #require(try answer(to: probe, &responder))
        try check(reply) { message, header, ethernet in
            #expect(!message.isSolicited)
            #expect(header.destination == .allNodes)
            #expect(ethernet.destination == MACAddress(rawValue: 0x3333_0000_0001))
        }
    }

    @Test func `never answers for a guest's address, asked or probed`() throws {
        var responder = NeighborDiscovery(plan: plan)
        for target in [ServiceNetwork.guestIPv6, ServiceNetwork.guestLinkLocal, ServiceNetwork.outsideIPv6] {
            #expect(try answer(to: question(target), &responder) == nil)
            #expect(try answer(to: question(target, from: .unspecified, linkLayer: nil), &responder) == nil)
        }
        #expect(responder.drops[.neighborNotOurs] == 6)
    }

    @Test func `refuses what crossed a router`() throws {
        var responder = NeighborDiscovery(plan: plan)
        #expect(try answer(to: question(plan.gatewayLinkLocal, hopLimit: 254), &responder) == nil)
        #expect(responder.drops[.neighborHopLimit] == 1)
    }

    @Test func `refuses a probe that tells its sender or goes to one node`() throws {
        var responder = NeighborDiscovery(plan: plan)
        let target = plan.gatewayLinkLocal
        #expect(try answer(to: question(target, from: .unspecified), &responder) == nil)
        let unicast = question(target, from: .unspecified, linkLayer: nil, to: target)
        #expect(try answer(to: unicast, &responder) == nil)
        #expect(responder.drops[.neighborMalformed] == 2)
    }

    @Test func `refuses an option without a length, and a message cut short`() throws {
        var responder = NeighborDiscovery(plan: plan)
        var message = Self.solicitation(plan.gatewayLinkLocal, linkLayer: ServiceNetwork.guestMAC)
        message[25] = 0
        let group = plan.gatewayLinkLocal.solicitedNodeMulticast
        let source = ServiceNetwork.guestLinkLocal
        #expect(try answer(to: .icmpv6(message, from: source, to: group), &responder) == nil)
        for length in 8..<24 {
            #expect(try answer(to: .icmpv6(Array(message[..<length]), from: source, to: group), &responder) == nil)
        }
        #expect(responder.drops[.neighborMalformed] == 17)
    }

    @Test func `does not trust a summary of another frame`() throws {
        var responder = NeighborDiscovery(plan: plan)
        let frame = question(plan.gatewayLinkLocal)
        let summary = try frame.summary()
        for length in 0..<frame.bytes.count {
            let cut = Array(frame.bytes[..<length])
            let reply = written { room in cut.withUnsafeBytes { responder.respond(to: $0, summary, into: room) } }
            #expect(reply == nil)
        }
    }

    @Test func `asks the solicited-node group for a guest's address`() throws {
        let responder = NeighborDiscovery(plan: plan)
        let target = ServiceNetwork.guestIPv6
        let frame = try #require(written { responder.solicitation(for: target, into: $0) })
        let summary = try frame.summary()
        #expect(summary.hopLimit == 255)
        #expect(summary.source == IPAddress(plan.gatewayLinkLocal))
        #expect(summary.destination == IPAddress(target.solicitedNodeMulticast))
        try frame.bytes.withUnsafeBytes { bytes in
            let ethernet = try #require(EthernetHeader(bytes))
            let header = try #require(IPv6Header(ethernet.payload))
            let message = try #require(NeighborSolicitation(header.payload))
            #expect(ethernet.destination == .multicast(target.solicitedNodeMulticast))
            #expect(message.target == target)
            #expect(message.sourceLinkLayerAddress == plan.gatewayMAC)
        }
    }

    @Test func `asks one guest alone to confirm what is known`() throws {
        let responder = NeighborDiscovery(plan: plan)
        let frame = try #require(
            written { responder.solicitation(for: ServiceNetwork.guestIPv6, from: ServiceNetwork.guestMAC, into: $0) })
        let summary = try frame.summary()
        #expect(summary.destination == IPAddress(ServiceNetwork.guestIPv6))
        let destination = try #require(frame.bytes.withUnsafeBytes { EthernetHeader($0)?.destination })
        #expect(destination == ServiceNetwork.guestMAC)
    }

    @Test func `learns where a guest is from its questions and its answers`() throws {
        let responder = NeighborDiscovery(plan: plan)
        func learned(_ frame: GuestFrame) throws -> NeighborBinding? {
            let summary = try frame.summary()
            return frame.bytes.withUnsafeBytes { responder.binding(in: $0, summary) }
        }
        func advertisement(_ target: IPv6Address, isSolicited: Bool, to destination: IPv6Address) -> GuestFrame {
            let message = GuestFrame.written(32) {
                _ = NeighborAdvertisementFields(
                    target: target, targetLinkLayerAddress: ServiceNetwork.guestMAC, isRouter: false,
                    isSolicited: isSolicited, overrides: true
                ).write(to: $0)
            }
            return .icmpv6(message, from: ServiceNetwork.guestLinkLocal, to: destination)
        }
        let guest = ServiceNetwork.guestIPv6
        let mac = ServiceNetwork.guestMAC
        #expect(
            try learned(question(plan.gatewayLinkLocal))
                == NeighborBinding(address: IPAddress(ServiceNetwork.guestLinkLocal), mac: mac))
        #expect(
            try learned(advertisement(guest, isSolicited: true, to: plan.gatewayLinkLocal))
                == NeighborBinding(address: IPAddress(guest), mac: mac))
        #expect(try learned(advertisement(guest, isSolicited: true, to: .allNodes)) == nil)
        #expect(try learned(advertisement(plan.gatewayIPv6, isSolicited: false, to: .allNodes)) == nil)
        #expect(try learned(question(guest, from: .unspecified, linkLayer: nil)) == nil)
    }
}
