import RingwayModel
import RingwayWire
import Testing

@testable import RingwayStack

/// RFC 2132, 3397, 6842.
@Suite("DHCP options")
struct DHCPOptionTests {
    private func offer(
        _ plan: NetworkPlan, _ configuration: DHCPServer.Configuration = .init(),
        _ change: (inout DHCPClientMessage) -> Void = { _ in }
    ) throws -> DHCPAnswer {
        var message = DHCPClientMessage(.discover)
        change(&message)
        return try #require(try DHCPBench(plan, configuration).send(message))
    }

    @Test func `have the network, the gateway and the lease times`() throws {
        let plan = try ServiceNetwork.plan(mtu: 1_400)
        let answer = try offer(plan)
        #expect(answer.address(DHCPOption.subnetMask) == IPv4Address(255, 255, 255, 0))
        #expect(answer.address(DHCPOption.router) == plan.gatewayIPv4)
        #expect(answer.address(DHCPOption.domainNameServer) == plan.gatewayIPv4)
        // Without NTP servers the option is absent.
        #expect(answer.options[DHCPOption.networkTimeServer] == nil)
        #expect(answer.address(DHCPOption.broadcastAddress) == IPv4Address(192, 168, 127, 255))
        #expect(answer.options[DHCPOption.classlessStaticRoutes] == [0, 192, 168, 127, 1])
        #expect(answer.address(DHCPOption.serverIdentifier) == plan.gatewayIPv4)
        #expect(answer.options[DHCPOption.interfaceMTU] == [0x05, 0x78])
        #expect(answer.seconds(DHCPOption.leaseTime) == 86_400)
        #expect(answer.seconds(DHCPOption.renewalTime) == 43_200)
        #expect(answer.seconds(DHCPOption.rebindingTime) == 75_600)
        #expect(answer.options[DHCPOption.domainName] == nil)
        #expect(answer.options[DHCPOption.domainSearch] == nil)
        #expect(answer.length >= 300)
    }

    @Test func `have domain and search domains`() throws {
        var plan = try ServiceNetwork.plan()
        plan.domainName = "ringway.internal"
        plan.searchDomains = ["ringway.internal", "not a name", "b.c."]
        let answer = try offer(plan)
        #expect(answer.options[DHCPOption.domainName] == Array("ringway.internal".utf8))
        let expected =
            [7] + Array("ringway".utf8) + [8] + Array("internal".utf8) + [0] + [1, 0x62, 1, 0x63, 0]
        #expect(answer.options[DHCPOption.domainSearch] == expected)
    }

    @Test func `have the current search domains`() throws {
        var plan = try ServiceNetwork.plan()
        plan.searchDomains = ["a.b"]
        let bench = DHCPBench(plan)
        #expect(
            try bench.send(DHCPClientMessage(.discover))?.options[DHCPOption.domainSearch] == [1, 0x61, 1, 0x62, 0])
        bench.setSearchDomains(["c.d"])
        #expect(
            try bench.send(DHCPClientMessage(.discover))?.options[DHCPOption.domainSearch] == [1, 0x63, 1, 0x64, 0])
        bench.setSearchDomains([])
        #expect(try bench.send(DHCPClientMessage(.discover))?.options[DHCPOption.domainSearch] == nil)
    }

    @Test func `split a search list that one option cannot hold`() throws {
        var plan = try ServiceNetwork.plan()
        plan.searchDomains = (0..<20).map { "domain-number-\($0).example.internal" }
        let answer = try offer(plan) { $0.maximumSize = 1_280 }
        let list = try #require(answer.options[DHCPOption.domainSearch])
        #expect(list.count > 255)
        #expect(list == DomainNameEncoding.encode(plan.searchDomains, limit: 1_024))
    }

    @Test func `never make a message longer than the client takes`() throws {
        var plan = try ServiceNetwork.plan()
        plan.searchDomains = (0..<20).map { "domain-number-\($0).example.internal" }
        #expect(try offer(plan).length <= 548)
        #expect(try offer(plan) { $0.maximumSize = 20 }.length <= 548)
        #expect(try offer(plan) { $0.maximumSize = 700 }.length <= 700 - 28)
        #expect(try offer(plan) { $0.maximumSize = 65_535 }.length <= 1_280 - 28)
        #expect(try offer(plan).address(DHCPOption.router) == plan.gatewayIPv4)
    }

    @Test func `echo the client's name and identifier`() throws {
        let plan = try ServiceNetwork.plan()
        let answer = try offer(plan) {
            $0.hostName = "web-1.example."
            $0.identifier = [1, 2, 3]
        }
        #expect(answer.options[DHCPOption.hostName] == Array("web-1.example".utf8))
        #expect(answer.options[DHCPOption.clientIdentifier] == [1, 2, 3])
        #expect(try offer(plan) { $0.hostName = "no name!" }.options[DHCPOption.hostName] == nil)
    }

    @Test func `have the name of a guest's reservation`() throws {
        let bench = DHCPBench(try ServiceNetwork.plan())
        #expect(bench.reserve(IPv4Address(192, 168, 127, 2), for: ServiceNetwork.guestMAC, hostName: "box"))
        let answer = try #require(try bench.send(DHCPClientMessage(.discover)))
        #expect(answer.options[DHCPOption.hostName] == Array("box".utf8))
    }

    @Test func `grant a shorter lease than the default, not a longer one`() throws {
        let plan = try ServiceNetwork.plan()
        func seconds(_ wanted: UInt32) throws -> UInt32? {
            try offer(plan) { $0.leaseSeconds = wanted }.seconds(DHCPOption.leaseTime)
        }
        #expect(try seconds(3_600) == 3_600)
        #expect(try seconds(1) == 120)
        #expect(try seconds(.max) == 86_400)
    }

    @Test func `name other servers where configured`() throws {
        var configuration = DHCPServer.Configuration()
        configuration.nameServers = [IPv4Address(9, 9, 9, 9), IPv4Address(1, 1, 1, 1)]
        configuration.timeServers = [IPv4Address(10, 0, 0, 1)]
        configuration.leaseSeconds = 600
        let answer = try offer(try ServiceNetwork.plan(), configuration)
        #expect(answer.options[DHCPOption.domainNameServer] == [9, 9, 9, 9, 1, 1, 1, 1])
        #expect(answer.address(DHCPOption.networkTimeServer) == IPv4Address(10, 0, 0, 1))
        #expect(answer.seconds(DHCPOption.leaseTime) == 600)
    }

    @Test func `need room for a whole message`() throws {
        let bench = DHCPBench(try ServiceNetwork.plan())
        #expect(try bench.send(DHCPClientMessage(.discover), capacity: 42 + 299) == nil)
        #expect(bench.drops[.replyDoesNotFit] == 1)
        #expect(try bench.send(DHCPClientMessage(.discover), capacity: 42 + 300) != nil)
    }
}
