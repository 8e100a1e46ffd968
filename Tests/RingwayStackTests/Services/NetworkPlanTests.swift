import RingwayModel
import TestSupport
import Testing

@testable import RingwayStack

@Suite("Network plan")
struct NetworkPlanTests {
    @Test func `a slash 24 has its gateway first, the host last and guests between`() throws {
        let plan = try ServiceNetwork.plan()
        #expect(plan.gatewayIPv4 == IPv4Address(192, 168, 127, 1))
        #expect(plan.hostIPv4 == IPv4Address(192, 168, 127, 254))
        #expect(plan.firstGuestIPv4 == IPv4Address(192, 168, 127, 2))
        #expect(plan.lastGuestIPv4 == IPv4Address(192, 168, 127, 253))
        #expect(plan.netmask == IPv4Address(255, 255, 255, 0))
        #expect(plan.broadcastIPv4 == IPv4Address(192, 168, 127, 255))
        #expect(plan.gatewayIPv6.description == "fd12:3456:789a::1")
        #expect(plan.hostIPv6.description == "fd12:3456:789a::fe")
        #expect(plan.firstGuestIPv6.description == "fd12:3456:789a::2")
        #expect(plan.gatewayLinkLocal.description == "fe80::1")
    }

    @Test func `host bits of the block do not matter`() throws {
        let plan = try ServiceNetwork.plan("10.1.2.3/16")
        #expect(plan.ipv4Network == IPv4Address(10, 1, 0, 0))
        #expect(plan.hostIPv4 == IPv4Address(10, 1, 255, 254))
    }

    @Test func `the smallest network has four guests`() throws {
        let plan = try ServiceNetwork.plan("10.0.0.8/29")
        #expect(plan.firstGuestIPv4 == IPv4Address(10, 0, 0, 10))
        #expect(plan.lastGuestIPv4 == IPv4Address(10, 0, 0, 13))
        #expect(plan.hostIPv4 == IPv4Address(10, 0, 0, 14))
    }

    @Test(
        "refuses networks that cannot work",
        arguments: [
            "10.0.0.0/30", "10.0.0.0/32", "10.0.0.0/7", "127.0.0.0/8", "0.0.0.0/8", "224.0.0.0/24", "240.0.0.0/24",
            "fd00::/24",
        ])
    func refusesNetworks(_ text: String) throws {
        let block = try #require(CIDRBlock(text))
        #expect(NetworkPlan(ipv4: block, ipv6Prefix: ServiceNetwork.guestIPv6, mtu: 1_500) == nil)
    }

    @Test("refuses prefixes that are not routable", arguments: ["fe80::", "ff02::", "::", "::1"])
    func refusesPrefixes(_ text: String) throws {
        let block = try #require(CIDRBlock("10.0.0.0/24"))
        let prefix = try #require(IPv6Address(text))
        #expect(NetworkPlan(ipv4: block, ipv6Prefix: prefix, mtu: 1_500) == nil)
    }

    @Test("refuses an MTU that IPv6 or a frame forbids", arguments: [0, 1_279, 65_521, -1])
    func refusesMTU(_ mtu: Int) throws {
        let block = try #require(CIDRBlock("10.0.0.0/24"))
        #expect(NetworkPlan(ipv4: block, ipv6Prefix: ServiceNetwork.guestIPv6, mtu: mtu) == nil)
    }

    @Test func `gateway, host, network and broadcast addresses are never a guest's`() throws {
        let plan = try ServiceNetwork.plan()
        for address in [plan.gatewayIPv4, plan.hostIPv4, plan.ipv4Network, plan.broadcastIPv4] {
            #expect(plan.contains(address))
            #expect(!plan.isGuest(address))
        }
        #expect(plan.isGuest(plan.firstGuestIPv4))
        #expect(plan.isGuest(plan.lastGuestIPv4))
        #expect(!plan.contains(IPAddress(ServiceNetwork.outside)))
        for address in [plan.gatewayIPv6, plan.gatewayLinkLocal, plan.hostIPv6, plan.ipv6Prefix] {
            #expect(!plan.isGuest(address))
        }
        #expect(plan.isGuest(ServiceNetwork.guestIPv6))
        #expect(plan.isGuest(ServiceNetwork.guestLinkLocal))
        #expect(!plan.isGuest(ServiceNetwork.outsideIPv6))
        #expect(plan.isGateway(IPAddress(plan.gatewayLinkLocal)))
        #expect(plan.isHost(IPAddress(plan.hostIPv6)))
    }

    @Test func `a random prefix is a unique local one with an empty subnet`() {
        var noise = SeededNoise(seed: 1)
        var seen: Set<IPv6Address> = []
        for _ in 0..<100 {
            let prefix = NetworkPlan.randomIPv6Prefix(using: &noise)
            #expect(prefix.high >> 56 == 0xFD)
            #expect(prefix.high & 0xFFFF == 0)
            #expect(prefix.low == 0)
            seen.insert(prefix)
        }
        #expect(seen.count == 100)
    }
}
