import RingwayWire
import TestSupport
import Testing

@testable import RingwayStack

/// RFC 826, 1027, 5227.
@Suite("ARP responder")
struct ARPResponderTests {
    let plan: NetworkPlan
    let guest = ServiceNetwork.guestIPv4

    init() throws { plan = try ServiceNetwork.plan() }

    private func answer(to frame: GuestFrame, _ responder: inout ARPResponder) -> GuestFrame? {
        written { room in frame.bytes.withUnsafeBytes { responder.respond(to: $0, into: room) } }
    }

    private func answers(_ sender: IPv4Address, _ target: IPv4Address) -> Bool {
        var responder = ARPResponder(plan: plan)
        return answer(to: .arp(sender: sender, target: target), &responder) != nil
    }

    @Test func `tells the asking guest that the gateway is at the gateway's ethernet address`() throws {
        var responder = ARPResponder(plan: plan)
        let reply = try #require(answer(to: .arp(sender: guest, target: plan.gatewayIPv4), &responder))
        #expect(reply.bytes.count == 42)
        try reply.bytes.withUnsafeBytes { bytes in
            let ethernet = try #require(EthernetHeader(bytes))
            let packet = try #require(ARPPacket(ethernet.payload))
            #expect(ethernet.destination == ServiceNetwork.guestMAC)
            #expect(ethernet.source == plan.gatewayMAC)
            #expect(packet.operation == ARPPacket.reply)
            #expect(packet.senderMAC == plan.gatewayMAC)
            #expect(packet.senderIP == plan.gatewayIPv4)
            #expect(packet.targetMAC == ServiceNetwork.guestMAC)
            #expect(packet.targetIP == guest)
        }
        #expect(responder.answers == 1)
    }

    @Test func `answers for every other address of the network`() {
        for last in UInt8(1)...254 where last != 2 {
            #expect(answers(guest, IPv4Address(192, 168, 127, last)), "address \(last)")
        }
    }

    @Test func `stays silent about the guest's own address`() {
        #expect(!answers(guest, guest))
    }

    @Test func `stays silent about the network's own address, its broadcast and all beyond`() {
        #expect(!answers(guest, plan.ipv4Network))
        #expect(!answers(guest, plan.broadcastIPv4))
        #expect(!answers(guest, ServiceNetwork.outside))
        #expect(!answers(guest, IPv4Address(192, 168, 126, 255)))
        #expect(!answers(guest, IPv4Address(192, 168, 128, 1)))
    }

    @Test func `lets a guest take any address by probe but the gateway's and the host's`() {
        #expect(answers(.unspecified, plan.gatewayIPv4))
        #expect(answers(.unspecified, plan.hostIPv4))
        #expect(!answers(.unspecified, guest))
        #expect(!answers(.unspecified, IPv4Address(192, 168, 127, 77)))
    }

    @Test func `defends the gateway's address against an announcement`() {
        #expect(answers(plan.gatewayIPv4, plan.gatewayIPv4))
        #expect(answers(plan.hostIPv4, plan.hostIPv4))
    }

    @Test func `stays silent about an address that is behind the link that asks`() {
        var responder = ARPResponder(plan: plan)
        let neighbour = IPv4Address(192, 168, 127, 9)
        let frame = GuestFrame.arp(sender: guest, target: neighbour)
        let reply = written { room in
            frame.bytes.withUnsafeBytes { bytes in
                responder.respond(to: bytes, into: room) { $0 == neighbour }
            }
        }
        #expect(reply == nil)
        #expect(responder.drops[.arpNotOurs] == 1)
    }

    @Test func `does not answer answers, nor senders that are groups`() {
        var responder = ARPResponder(plan: plan)
        #expect(answer(to: .arp(ARPPacket.reply, sender: guest, target: plan.gatewayIPv4), &responder) == nil)
        let group = GuestFrame.arp(
            sender: guest, target: plan.gatewayIPv4, from: MACAddress(rawValue: 0x0100_0000_0001))
        #expect(answer(to: group, &responder) == nil)
        #expect(responder.drops[.arpMalformed] == 2)
    }

    @Test func `refuses every frame that is cut short`() {
        var responder = ARPResponder(plan: plan)
        let frame = GuestFrame.arp(sender: guest, target: plan.gatewayIPv4)
        for length in 0..<42 {
            #expect(answer(to: GuestFrame(bytes: Array(frame.bytes[..<length])), &responder) == nil)
        }
        #expect(responder.drops[.arpMalformed] == 42)
    }

    @Test func `writes nothing where the answer does not fit`() {
        var responder = ARPResponder(plan: plan)
        let frame = GuestFrame.arp(sender: guest, target: plan.gatewayIPv4)
        let reply = written(capacity: 41) { room in
            frame.bytes.withUnsafeBytes { responder.respond(to: $0, into: room) }
        }
        #expect(reply == nil)
        #expect(responder.drops[.replyDoesNotFit] == 1)
    }

    @Test func `asks everybody for a guest's address`() throws {
        let responder = ARPResponder(plan: plan)
        let question = try #require(written { responder.request(for: guest, into: $0) })
        try question.bytes.withUnsafeBytes { bytes in
            let ethernet = try #require(EthernetHeader(bytes))
            let packet = try #require(ARPPacket(ethernet.payload))
            #expect(ethernet.destination == .broadcast)
            #expect(packet.operation == ARPPacket.request)
            #expect(packet.senderIP == plan.gatewayIPv4)
            #expect(packet.senderMAC == plan.gatewayMAC)
            #expect(packet.targetIP == guest)
        }
    }

    @Test func `learns from questions and answers where a guest is`() {
        let responder = ARPResponder(plan: plan)
        func learned(_ frame: GuestFrame) -> NeighborBinding? {
            frame.bytes.withUnsafeBytes { responder.binding(in: $0) }
        }
        let expected = NeighborBinding(address: IPAddress(guest), mac: ServiceNetwork.guestMAC)
        #expect(learned(.arp(sender: guest, target: plan.gatewayIPv4)) == expected)
        #expect(learned(.arp(ARPPacket.reply, sender: guest, target: plan.gatewayIPv4)) == expected)
        #expect(learned(.arp(sender: .unspecified, target: guest)) == nil)
        #expect(learned(.arp(sender: plan.gatewayIPv4, target: guest)) == nil)
        #expect(learned(.arp(sender: plan.hostIPv4, target: guest)) == nil)
        #expect(learned(.arp(sender: ServiceNetwork.outside, target: guest)) == nil)
        #expect(learned(.arp(sender: guest, target: guest, from: plan.gatewayMAC)) == nil)
    }

    @Test("survives any bytes at all", arguments: UInt64(1)...8)
    func survivesNoise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        var responder = ARPResponder(plan: plan)
        for _ in 0..<500 {
            var frame = GuestFrame.arp(sender: guest, target: plan.gatewayIPv4)
            frame.bytes = Array(frame.bytes.prefix(Int(noise.next() % 64)))
            if !frame.bytes.isEmpty {
                frame.bytes[Int(noise.next() % UInt64(frame.bytes.count))] = UInt8(truncatingIfNeeded: noise.next())
            }
            _ = answer(to: frame, &responder)
            _ = frame.bytes.withUnsafeBytes { responder.binding(in: $0) }
        }
        #expect(responder.answers + responder.drops.total == 500)
    }
}
