import Glibc
import RingwayModel
import RingwayRing
import RingwayStack
import RingwayStorage
import Testing

@testable import RingwayEngine

private struct EveryClaim: AddressClaims {
    func replace(_ address: IPv4Address) -> IPv4Address? { nil }
    func claim(_ address: IPv6Address) -> Bool { true }
    func release(_ address: IPv6Address) {}
    func refused(_ address: IPAddress) {}
}

@Suite("Switch port")
struct SwitchPortTests {
    private static func makePort(addresses: Int = 2, neighbors: Int = 2) throws -> SwitchPort {
        let block = try #require(CIDRBlock("192.168.127.0/24"))
        let plan = try #require(
            NetworkPlan(ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD << 56, low: 0), mtu: 1_500))
        var configuration = EngineConfiguration(
            stack: Stack.Configuration(
                plan: plan, limits: Limits(), policy: DestinationPolicy(), guestMAC: MACAddress(rawValue: 1),
                guestIPv4: plan.firstGuestIPv4, guestIPv6: plan.firstGuestIPv6, shard: 0, shards: 1, secret: 1))
        configuration.claims = EveryClaim()
        configuration.addressLimit = addresses
        configuration.neighborLimit = neighbors
        return MemoryFailure.trap { try SwitchPort(configuration, now: 0) }
    }

    private static func address(_ low: UInt64) -> IPAddress { IPAddress(high: 0xFD << 56, low: low) }

    @Test func `holds the guest's IPv4 address from the beginning`() throws {
        let port = try Self.makePort()
        defer { port.deallocate() }
        #expect(port.holds(IPAddress(IPv4Address(192, 168, 127, 2)), now: 0))
        #expect(!port.holds(IPAddress(IPv4Address(192, 168, 127, 3)), now: 0))
    }

    @Test func `makes room by the address that has not been used for longest`() throws {
        var port = try Self.makePort()
        defer { port.deallocate() }
        port.addAddress(Self.address(1), now: 0)
        port.addAddress(Self.address(2), now: 0)
        #expect(port.hasRoomForAddress == false)
        #expect(port.holds(Self.address(1), now: SwitchPort.idleTime / 2))
        #expect(port.forgetIdlestAddress(now: SwitchPort.idleTime) == nil)
        #expect(port.forgetIdlestAddress(now: SwitchPort.idleTime + 1) == Self.address(2))
        #expect(port.holds(Self.address(1), now: SwitchPort.idleTime + 1))
        #expect(port.hasRoomForAddress)
    }

    @Test func `never forgets the IPv4 address`() throws {
        var port = try Self.makePort()
        defer { port.deallocate() }
        #expect(port.forgetIdlestAddress(now: .max) == nil)
    }

    @Test func `lets so many frames to neighbours pass in a second`() throws {
        var port = try Self.makePort()
        defer { port.deallocate() }
        func passed(_ count: Int, now: UInt64) -> Int { (0..<count).count { _ in port.crossings.take(now: now) } }
        let burst = Int(SwitchPort.crossingBurst)
        #expect(passed(burst + 1_000, now: 0) == burst)
        // A millisecond's worth.
        #expect(passed(burst, now: 1_000_000) == Int(SwitchPort.crossingRate) / 1_000)
    }

    @Test func `knows neighbours until they are removed, and no more than its bound`() throws {
        var port = try Self.makePort()
        defer { port.deallocate() }
        let places = (1...3).map { GuestPlace(shard: 0, slot: $0, generation: 0) }
        #expect(port.addNeighbor(MACAddress(rawValue: 10), at: places[0]) == true)
        #expect(port.addNeighbor(MACAddress(rawValue: 11), at: places[1]) == true)
        #expect(port.addNeighbor(MACAddress(rawValue: 12), at: places[2]) == false)
        #expect(port.place(of: MACAddress(rawValue: 10)) == places[0])
        port.removeNeighbor(MACAddress(rawValue: 10))
        port.removeNeighbor(MACAddress(rawValue: 10))
        #expect(port.place(of: MACAddress(rawValue: 10)) == GuestPlace.none)
        #expect(port.place(of: MACAddress(rawValue: 11)) == places[1])
        #expect(port.neighborCount == 1)
    }
}
