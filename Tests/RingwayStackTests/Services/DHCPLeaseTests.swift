import RingwayModel
import RingwayWire
import Testing

@testable import RingwayStack

/// The holder of each address, and the lease time.
@Suite("DHCP leases")
struct DHCPLeaseTests {
    let plan: NetworkPlan
    let bench: DHCPBench
    let first = IPv4Address(192, 168, 127, 2)
    let reserved = IPv4Address(192, 168, 127, 2)

    init() throws {
        plan = try ServiceNetwork.plan()
        bench = DHCPBench(plan)
    }

    private func mac(_ number: UInt64) -> MACAddress { MACAddress(rawValue: 0x0200_0000_0000 | number) }

    @Test func `addresses are given from the first to the last, then none`() throws {
        for number in UInt64(2)...253 {
            #expect(try bench.acquire(mac(number)) == IPv4Address(192, 168, 127, UInt8(number)))
        }
        #expect(try bench.acquire(mac(300)) == nil)
        #expect(bench.drops[.dhcpPoolExhausted] == 1)
        #expect(bench.leases.count == 252)
    }

    @Test func `the address unused for longest is given again`() throws {
        for number in UInt64(2)...253 {
            try bench.acquire(mac(number))
            bench.now += DHCPBench.second
        }
        bench.now += 86_400 * DHCPBench.second
        #expect(try bench.acquire(mac(300)) == first)
        #expect(try bench.acquire(mac(301)) == IPv4Address(192, 168, 127, 3))
        // The former holder finds its address taken and gets the next.
        #expect(try bench.acquire(mac(2)) == IPv4Address(192, 168, 127, 4))
    }

    @Test func `a free address that is asked for is given`() throws {
        #expect(try bench.acquire(requested: IPv4Address(192, 168, 127, 77)) == IPv4Address(192, 168, 127, 77))
        #expect(try bench.acquire(mac(9), requested: IPv4Address(192, 168, 127, 77)) == first)
        #expect(try bench.acquire(mac(10), requested: ServiceNetwork.outside) == IPv4Address(192, 168, 127, 3))
        #expect(try bench.acquire(mac(11), requested: plan.gatewayIPv4) == IPv4Address(192, 168, 127, 4))
    }

    @Test func `a client has one address whatever it asks for`() throws {
        #expect(try bench.acquire() == first)
        #expect(try bench.acquire(requested: IPv4Address(192, 168, 127, 77)) == first)
        #expect(bench.leases.count == 1)
    }

    @Test func `a client is known by its identifier on another network card`() throws {
        let identifier: [UInt8] = [0xFF, 1, 2, 3, 4, 0, 2, 0, 0, 0xAB, 0x11]
        #expect(try bench.acquire(mac(2), identifier: identifier) == first)
        #expect(try bench.acquire(mac(9), identifier: identifier) == first)
        #expect(bench.leases.count == 1)
        #expect(bench.leases.first?.mac == mac(9))
    }

    @Test func `a client is known by its network card under another identifier`() throws {
        #expect(try bench.acquire(mac(2)) == first)
        #expect(try bench.acquire(mac(2), identifier: [1, 2, 0, 0, 0, 0, 2]) == first)
        #expect(try bench.acquire(mac(2), identifier: [0xFF, 9, 9, 9, 9]) == first)
    }

    @Test func `an identifier longer than there is room for is as none`() throws {
        let long = [UInt8](repeating: 7, count: 200)
        #expect(try bench.acquire(mac(2), identifier: long) == first)
        #expect(try bench.acquire(mac(9), identifier: long) == IPv4Address(192, 168, 127, 3))
    }

    @Test func `a reserved address is for its guest alone`() throws {
        #expect(bench.reserve(reserved, for: mac(5), hostName: "known"))
        #expect(try bench.acquire(mac(2)) == IPv4Address(192, 168, 127, 3))
        #expect(try bench.acquire(mac(3), requested: reserved) == IPv4Address(192, 168, 127, 4))
        #expect(try bench.acquire(mac(5)) == reserved)
        let lease = try #require(bench.leases.first)
        #expect(lease.isReserved)
        #expect(lease.hostName == "known")
        bench.now += 1_000_000 * DHCPBench.second
        #expect(try bench.acquire(mac(9), requested: reserved) != reserved)
    }

    @Test func `a reservation moves its guest from the address it had`() throws {
        #expect(try bench.acquire(mac(5)) == first)
        let wanted = IPv4Address(192, 168, 127, 40)
        #expect(bench.reserve(wanted, for: mac(5)))
        var renewal = DHCPClientMessage(.request, mac: mac(5))
        renewal.ciaddr = first
        #expect(try bench.send(renewal)?.type == .nak)
        #expect(try bench.acquire(mac(5)) == wanted)
        #expect(bench.leases.count == 1)
    }

    @Test func `an address outside the range, held or reserved by another cannot be reserved`() throws {
        #expect(!bench.reserve(plan.gatewayIPv4, for: mac(5)))
        #expect(!bench.reserve(plan.hostIPv4, for: mac(5)))
        #expect(!bench.reserve(ServiceNetwork.outside, for: mac(5)))
        #expect(!bench.reserve(reserved, for: .broadcast))
        #expect(bench.reserve(reserved, for: mac(5)))
        #expect(bench.reserve(reserved, for: mac(5)))
        #expect(!bench.reserve(reserved, for: mac(6)))
        let held = try #require(try bench.acquire(mac(7)))
        #expect(!bench.reserve(held, for: mac(6)))
        #expect(bench.reserve(held, for: mac(7)))
    }

    @Test func `a guest with a declined reservation gets another address meanwhile`() throws {
        #expect(bench.reserve(reserved, for: mac(5)))
        #expect(try bench.acquire(mac(5)) == reserved)
        var decline = DHCPClientMessage(.decline, mac: mac(5))
        decline.requested = reserved
        #expect(try bench.send(decline) == nil)
        #expect(try bench.acquire(mac(5)) == IPv4Address(192, 168, 127, 3))
        bench.now += 600 * DHCPBench.second
        #expect(try bench.acquire(mac(5)) == reserved)
    }

    @Test func `the number of addresses is bounded whatever the network's size`() throws {
        let plan = try ServiceNetwork.plan("10.0.0.0/8")
        var configuration = DHCPServer.Configuration()
        configuration.leaseLimit = 3
        let bench = DHCPBench(plan, configuration)
        for number in UInt64(2)...4 { #expect(try bench.acquire(mac(number)) != nil) }
        #expect(try bench.acquire(mac(5)) == nil)
    }

    @Test func `a report has address, owner, name and end`() throws {
        try bench.acquire(hostName: "web-1")
        #expect(
            bench.leases == [
                DHCPLease(
                    address: first, mac: ServiceNetwork.guestMAC, hostName: "web-1",
                    expiresAt: bench.now + 86_400 * DHCPBench.second, state: .bound, isReserved: false)
            ])
    }

    @Test func `a name is not inherited with the address`() throws {
        try bench.acquire(mac(2), hostName: "old")
        bench.now += 86_400 * DHCPBench.second
        try bench.acquire(mac(3), requested: first)
        #expect(bench.leases.first?.hostName == "")
    }

    @Test(
        "what is no host name is not kept",
        arguments: ["", "-a", "a-", "a..b", ".a", "a b", "a\n", "ü", "<script>", String(repeating: "a", count: 64)])
    func refusesNames(_ name: String) throws {
        try bench.acquire(hostName: name)
        #expect(bench.leases.first?.hostName == "")
    }
}
