import RingwayWire
import TestSupport
import Testing

@testable import RingwayStack

/// RFC 2131 §3 and §4.3: who gets what answer.
@Suite("DHCP exchanges")
struct DHCPExchangeTests {
    let plan: NetworkPlan
    let bench: DHCPBench
    let other = MACAddress(rawValue: 0x0200_0000_0003)
    let first = IPv4Address(192, 168, 127, 2)

    init() throws {
        plan = try ServiceNetwork.plan()
        bench = DHCPBench(plan)
    }

    private func request(
        _ mac: MACAddress = ServiceNetwork.guestMAC, _ change: (inout DHCPClientMessage) -> Void
    ) throws -> DHCPAnswer? {
        var message = DHCPClientMessage(.request, mac: mac)
        change(&message)
        return try bench.send(message)
    }

    @Test func `a client discovers, is offered the first address, requests it and has it`() throws {
        let offer = try #require(try bench.send(DHCPClientMessage(.discover)))
        #expect(offer.type == .offer)
        #expect(offer.address == first)
        #expect(offer.xid == 0x1234_5678)
        #expect(offer.mac == ServiceNetwork.guestMAC)
        #expect(bench.leases.first?.state == .offered)
        let answer = try #require(
            try request {
                $0.requested = offer.address
                $0.server = plan.gatewayIPv4
            })
        #expect(answer.type == .ack)
        #expect(answer.address == first)
        #expect(bench.leases.first?.state == .bound)
        #expect(bench.address(of: ServiceNetwork.guestMAC) == first)
        #expect(bench.counts == DHCPServer.Counts(offers: 1, acknowledgements: 1))
    }

    @Test func `an offer is kept for its client and free after a minute`() throws {
        _ = try bench.send(DHCPClientMessage(.discover))
        #expect(try bench.send(DHCPClientMessage(.discover, mac: other))?.address == IPv4Address(192, 168, 127, 3))
        bench.now += 60 * DHCPBench.second
        #expect(bench.leases.isEmpty)
        let third = MACAddress(rawValue: 0x0200_0000_0004)
        var message = DHCPClientMessage(.discover, mac: third)
        message.requested = first
        #expect(try bench.send(message)?.address == first)
    }

    @Test func `a client that chooses another server gives our offer up`() throws {
        _ = try bench.send(DHCPClientMessage(.discover))
        let answer = try request {
            $0.requested = IPv4Address(10, 0, 0, 9)
            $0.server = IPv4Address(10, 0, 0, 1)
        }
        #expect(answer == nil)
        #expect(bench.leases.isEmpty)
        #expect(bench.drops[.dhcpOtherServer] == 1)
    }

    @Test func `a client that reboots is confirmed at its address`() throws {
        try bench.acquire()
        let answer = try #require(try request { $0.requested = first })
        #expect(answer.type == .ack)
        #expect(answer.address == first)
    }

    @Test func `a client that reboots on another network is refused, by broadcast`() throws {
        let answer = try #require(try request { $0.requested = IPv4Address(10, 0, 2, 15) })
        #expect(answer.type == .nak)
        #expect(answer.address.isUnspecified)
        #expect(answer.destination.isBroadcast)
        #expect(answer.destinationMAC == .broadcast)
        #expect(answer.address(DHCPOption.serverIdentifier) == plan.gatewayIPv4)
        #expect(answer.options[DHCPOption.leaseTime] == nil)
        #expect(answer.options[DHCPOption.router] == nil)
        #expect(bench.counts.refusals == 1)
    }

    @Test func `a client that reboots with an address that is not its own is refused`() throws {
        try bench.acquire()
        #expect(try request { $0.requested = IPv4Address(192, 168, 127, 9) }?.type == .nak)
        #expect(try request(other) { $0.requested = first }?.type == .nak)
        #expect(try request(other) { $0.requested = plan.gatewayIPv4 }?.type == .nak)
        #expect(try request(other) { $0.requested = plan.hostIPv4 }?.type == .nak)
        #expect(try request(other) { $0.requested = plan.broadcastIPv4 }?.type == .nak)
        #expect(bench.address(of: ServiceNetwork.guestMAC) == first)
    }

    @Test func `a server that has forgotten everything confirms a free address`() throws {
        let address = IPv4Address(192, 168, 127, 50)
        #expect(try request { $0.requested = address }?.type == .ack)
        #expect(try request(other) { $0.ciaddr = IPv4Address(192, 168, 127, 51) }?.type == .ack)
        #expect(bench.address(of: ServiceNetwork.guestMAC) == address)
    }

    @Test func `a client renews and its lease lasts from then`() throws {
        try bench.acquire()
        bench.now += 40_000 * DHCPBench.second
        let answer = try #require(try request { $0.ciaddr = first })
        #expect(answer.type == .ack)
        #expect(answer.destination == first)
        #expect(answer.destinationMAC == ServiceNetwork.guestMAC)
        #expect(answer.ciaddr == first)
        #expect(bench.leases.first?.expiresAt == bench.now + 86_400 * DHCPBench.second)
    }

    @Test func `a client that discovers again keeps its lease until it asks for a new one`() throws {
        try bench.acquire()
        let lease = try #require(bench.leases.first)
        bench.now += 100 * DHCPBench.second
        #expect(try bench.send(DHCPClientMessage(.discover))?.address == first)
        #expect(bench.leases == [lease])
    }

    @Test func `a lease that is not renewed ends, and is the client's again when it comes back`() throws {
        try bench.acquire()
        bench.now += 86_400 * DHCPBench.second
        #expect(bench.leases.isEmpty)
        #expect(bench.address(of: ServiceNetwork.guestMAC) == nil)
        #expect(try bench.acquire(other) == IPv4Address(192, 168, 127, 3))
        #expect(try bench.acquire() == first)
    }

    @Test func `a renewal of an address that someone else has by now is refused`() throws {
        try bench.acquire()
        bench.now += 86_400 * DHCPBench.second
        #expect(try bench.acquire(other, requested: first) == first)
        let answer = try #require(try request { $0.ciaddr = first })
        #expect(answer.type == .nak)
        #expect(answer.ciaddr.isUnspecified)
        #expect(answer.destination.isBroadcast)
        #expect(answer.destinationMAC == .broadcast)
    }

    @Test func `a released address is free and remembered`() throws {
        try bench.acquire()
        var message = DHCPClientMessage(.release)
        message.ciaddr = first
        #expect(try bench.send(message) == nil)
        #expect(bench.leases.isEmpty)
        #expect(bench.counts.releases == 1)
        #expect(try bench.acquire(other) == IPv4Address(192, 168, 127, 3))
        #expect(try bench.acquire() == first)
    }

    @Test func `nobody releases or refuses what is someone else's`() throws {
        try bench.acquire()
        var release = DHCPClientMessage(.release, mac: other)
        release.ciaddr = first
        var decline = DHCPClientMessage(.decline, mac: other)
        decline.requested = first
        #expect(try bench.send(release) == nil)
        #expect(try bench.send(decline) == nil)
        #expect(bench.drops[.dhcpNotTheirs] == 2)
        #expect(bench.address(of: ServiceNetwork.guestMAC) == first)
    }

    @Test func `a client that declines the only address left has it again rather than none`() throws {
        let bench = DHCPBench(try ServiceNetwork.plan("192.168.127.0/29"))
        for number in UInt64(0)..<3 {
            #expect(try bench.acquire(MACAddress(rawValue: 0x0200_0000_0100 + number)) != nil)
        }
        let last = try #require(try bench.acquire())
        var decline = DHCPClientMessage(.decline)
        decline.requested = last
        #expect(try bench.send(decline) == nil)
        #expect(try bench.acquire() == last)
    }

    @Test func `no client empties the range by declining what it is offered`() throws {
        var seen: Set<IPv4Address> = []
        for _ in 0..<300 {
            let address = try #require(try bench.acquire())
            seen.insert(address)
            var decline = DHCPClientMessage(.decline)
            decline.requested = address
            #expect(try bench.send(decline) == nil)
            #expect(bench.leases.filter { $0.state == .quarantined }.count <= DHCPLeaseTable.restingLimit)
        }
        #expect(seen.count == DHCPLeaseTable.restingLimit + 1, "those that have rested for longest are offered again")
        #expect(try bench.acquire(other) != nil)
    }

    @Test func `a declined address is nobody's for ten minutes`() throws {
        try bench.acquire()
        var decline = DHCPClientMessage(.decline)
        decline.requested = first
        decline.server = plan.gatewayIPv4
        #expect(try bench.send(decline) == nil)
        #expect(bench.leases.first?.state == .quarantined)
        #expect(try bench.acquire() == IPv4Address(192, 168, 127, 3))
        #expect(try request(other) { $0.requested = first }?.type == .nak)
        bench.now += 600 * DHCPBench.second
        #expect(try request(other) { $0.requested = first }?.type == .ack)
        #expect(bench.counts.declines == 1)
    }

    @Test func `a client with an address of its own is told the rest`() throws {
        var message = DHCPClientMessage(.inform)
        message.ciaddr = IPv4Address(192, 168, 127, 99)
        let answer = try #require(try bench.send(message))
        #expect(answer.type == .ack)
        #expect(answer.address.isUnspecified)
        #expect(answer.destination == message.ciaddr)
        #expect(answer.options[DHCPOption.leaseTime] == nil)
        #expect(answer.options[DHCPOption.renewalTime] == nil)
        #expect(answer.address(DHCPOption.router) == plan.gatewayIPv4)
        #expect(bench.leases.isEmpty)
    }

    @Test func `answers go to the address given, or to everybody when the client asks for that`() throws {
        let unicast = try #require(try bench.send(DHCPClientMessage(.discover)))
        #expect(unicast.destination == first)
        #expect(unicast.destinationMAC == ServiceNetwork.guestMAC)
        var message = DHCPClientMessage(.discover)
        message.flags = DHCPMessage.broadcastFlag
        let broadcast = try #require(try bench.send(message))
        #expect(broadcast.destination.isBroadcast)
        #expect(broadcast.destinationMAC == .broadcast)
    }

    @Test func `messages through a relay agent are dropped and counted`() throws {
        var message = DHCPClientMessage(.discover)
        message.giaddr = IPv4Address(192, 168, 127, 9)
        #expect(try bench.send(message) == nil)
        #expect(bench.drops[.dhcpRelayed] == 1)
    }

    @Test func `a request without any address is dropped`() throws {
        #expect(try request { _ in } == nil)
        var inform = DHCPClientMessage(.inform)
        inform.ciaddr = .unspecified
        #expect(try bench.send(inform) == nil)
        #expect(bench.drops[.dhcpMalformed] == 2)
    }

    @Test("messages of servers are not answered", arguments: [DHCPMessageType.offer, .ack, .nak])
    func ignoresServers(type: DHCPMessageType) throws {
        #expect(try bench.send(DHCPClientMessage(type)) == nil)
        #expect(bench.drops[.dhcpUnexpectedType] == 1)
    }

    @Test func `replies, BOOTP and groups are malformed requests`() throws {
        var reply = DHCPClientMessage(.discover)
        reply.op = DHCPMessage.bootReply
        #expect(try bench.send(reply) == nil)
        #expect(try bench.send(DHCPClientMessage(nil)) == nil)
        #expect(try bench.send(DHCPClientMessage(.discover, mac: .broadcast)) == nil)
        #expect(try bench.send(DHCPClientMessage(.discover, mac: MACAddress(rawValue: 0))) == nil)
        #expect(bench.drops[.dhcpMalformed] == 4)
    }

    @Test("survives any bytes at all", arguments: UInt64(1)...8)
    func survivesNoise(seed: UInt64) throws {
        var noise = SeededNoise(seed: seed)
        let ports = (
            TransportAddress(address: IPAddress(IPv4Address.unspecified), port: 68),
            TransportAddress(address: IPAddress(IPv4Address.broadcast), port: 67)
        )
        for _ in 0..<300 {
            var message = DHCPClientMessage(
                DHCPMessageType(rawValue: UInt8(noise.next() % 10)),
                mac: MACAddress(rawValue: 0x0200_0000_0000 | noise.next() % 16))
            message.requested = IPv4Address(rawValue: plan.ipv4Network.rawValue | UInt32(noise.next() % 16))
            message.ciaddr = noise.next() % 3 == 0 ? plan.firstGuestIPv4 : .unspecified
            var payload = message.payload
            for _ in 0..<noise.next() % 4 {
                payload[Int(noise.next() % UInt64(payload.count))] = UInt8(truncatingIfNeeded: noise.next())
            }
            payload.removeLast(Int(noise.next() % 3) * Int(noise.next() % UInt64(payload.count)) / 2)
            _ = try bench.send(.udp(from: ports.0, to: ports.1, payload))
            bench.now += noise.next() % (2 * DHCPBench.second)
        }
        // Whatever happened: nobody has two addresses, and no address is outside the range.
        let bound = bench.leases.filter { $0.state == .bound }
        #expect(Set(bound.map(\.mac)).count == bound.count)
        #expect(bench.leases.allSatisfy { plan.isGuest($0.address) })
    }
}
