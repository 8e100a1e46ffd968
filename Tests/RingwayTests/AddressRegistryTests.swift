import Testing

@testable import Ringway

@Suite("Register of addresses")
struct AddressRegistryTests {
    private static let plan: NetworkPlan = {
        guard let block = CIDRBlock("10.0.0.0/29"),
            let plan = NetworkPlan(ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD << 56, low: 0), mtu: 1_500)
        else { preconditionFailure("a constant is a network") }
        return plan
    }()

    private static func mac(_ number: UInt64) -> MACAddress { MACAddress(rawValue: 0x5254_0000_0000 | number) }

    private static func register(_ leases: StaticLease...) throws -> AddressRegistry {
        try AddressRegistry(plan: plan, leases: leases)
    }

    @Test func `gives each guest the next free address, and the same when it comes back`() throws {
        var register = try Self.register()
        #expect(try register.admit(Self.mac(1)).ipv4 == IPv4Address(10, 0, 0, 2))
        #expect(try register.admit(Self.mac(2)).ipv4 == IPv4Address(10, 0, 0, 3))
        register.leave(Self.mac(1), guest: 1)
        #expect(try register.admit(Self.mac(3)).ipv4 == IPv4Address(10, 0, 0, 4))
        #expect(try register.admit(Self.mac(1)).ipv4 == IPv4Address(10, 0, 0, 2))
    }

    @Test func `gives a guest that declines its address another one, while there is one`() throws {
        var register = try Self.register(StaticLease(mac: Self.mac(1), name: "web"))
        for number: UInt64 in 1...2 { _ = try register.admit(Self.mac(number)) }
        func replace(_ last: UInt8, of number: UInt64) -> AddressRegistry.Lease? {
            register.replace(IPv4Address(10, 0, 0, last), of: Self.mac(number))
        }
        let moved = try #require(replace(2, of: 1))
        #expect(moved.ipv4 == IPv4Address(10, 0, 0, 4))
        #expect(moved.name == "web" && moved.isPresent)
        #expect(replace(2, of: 1) == nil)
        #expect(replace(3, of: 2)?.name == "guest-5")
        // Four addresses: two are assigned and two are in quarantine, of which the older one is assigned.
        #expect(replace(4, of: 1)?.ipv4 == IPv4Address(10, 0, 0, 2))
        #expect(try register.admit(Self.mac(3)).ipv4 == IPv4Address(10, 0, 0, 3))
        #expect(try register.admit(Self.mac(4)).ipv4 == IPv4Address(10, 0, 0, 4))
        // None is left at all.
        #expect(replace(2, of: 1) == nil)
    }

    @Test func `keeps the IPv6 address of an identity when its machine gets another IPv4 address`() throws {
        let ipv6 = IPv6Address(high: 0xFD << 56, low: 0x77)
        var register = try Self.register()
        register.admit(GuestIdentity(mac: Self.mac(1), ipv4: IPv4Address(10, 0, 0, 2), ipv6: ipv6))
        _ = try register.admit(Self.mac(2))
        #expect(register.replace(IPv4Address(10, 0, 0, 2), of: Self.mac(1)) != nil)
        #expect(register.claim(ipv6, by: 2, mac: Self.mac(2)) == false)
        // A new static lease of the detached machine has no effect on that address either.
        register.leave(Self.mac(1), guest: 1)
        try register.settle([StaticLease(mac: Self.mac(1), ipv4: IPv4Address(10, 0, 0, 5))])
        #expect(register.leases[Self.mac(1)]?.ipv4 == IPv4Address(10, 0, 0, 5))
        #expect(register.claim(ipv6, by: 2, mac: Self.mac(2)) == false)
        #expect(register.claim(ipv6, by: 3, mac: Self.mac(1)) == true)
    }

    @Test func `gives no guest a name that is another's`() throws {
        var register = try Self.register(StaticLease(mac: Self.mac(9), name: "db"))
        for number: UInt64 in 1...2 { _ = try register.admit(Self.mac(number)) }
        try register.rename(Self.mac(1), "web")
        for name in ["WEB", "db", "guest-2", "guest-7"] {
            #expect(throws: VirtualNetwork.Failure.self) { try register.rename(Self.mac(2), name) }
        }
        try register.rename(Self.mac(2), "guest-3")
        try register.rename(Self.mac(2), "guest-house")
    }

    @Test func `takes the address of the guest that has been away for longest when none is left`() throws {
        var register = try Self.register()
        for number: UInt64 in 1...4 { _ = try register.admit(Self.mac(number)) }
        let full = #expect(throws: VirtualNetwork.Failure.self) { try register.admit(Self.mac(5)) }
        #expect(full?.kind == .exhausted)
        register.leave(Self.mac(3), guest: 3)
        register.leave(Self.mac(2), guest: 2)
        #expect(try register.admit(Self.mac(5)).ipv4 == IPv4Address(10, 0, 0, 4))
        #expect(try register.admit(Self.mac(2)).ipv4 == IPv4Address(10, 0, 0, 3))
    }

    @Test func `keeps a settled address from other guests`() throws {
        var register = try Self.register(
            StaticLease(mac: Self.mac(9), ipv4: IPv4Address(10, 0, 0, 2), name: "Store"))
        #expect(try register.admit(Self.mac(1)).ipv4 == IPv4Address(10, 0, 0, 3))
        let lease = try register.admit(Self.mac(9))
        #expect(lease.ipv4 == IPv4Address(10, 0, 0, 2))
        #expect(lease.name == "store")
    }

    @Test func `settles an address anew when its holder has left`() throws {
        var register = try Self.register()
        _ = try register.admit(Self.mac(1))
        try register.settle([StaticLease(mac: Self.mac(9), ipv4: IPv4Address(10, 0, 0, 2))])
        #expect(register.leases[Self.mac(1)]?.ipv4 == IPv4Address(10, 0, 0, 2))
        register.leave(Self.mac(1), guest: 1)
        #expect(try register.admit(Self.mac(9)).ipv4 == IPv4Address(10, 0, 0, 2))
        #expect(try register.admit(Self.mac(1)).ipv4 == IPv4Address(10, 0, 0, 3))
    }

    @Test(
        "refuses to settle what cannot be",
        arguments: [
            [StaticLease(mac: mac(1), ipv4: IPv4Address(10, 0, 0, 1))],
            [StaticLease(mac: mac(1), ipv4: IPv4Address(10, 1, 0, 2))],
            [StaticLease(mac: mac(1), name: "host")],
            [StaticLease(mac: mac(1), name: "a.b")],
            [
                StaticLease(mac: mac(1), ipv4: IPv4Address(10, 0, 0, 2)),
                StaticLease(mac: mac(2), ipv4: IPv4Address(10, 0, 0, 2)),
            ],
            [StaticLease(mac: mac(1), name: "twin"), StaticLease(mac: mac(2), name: "twin")],
            [StaticLease(mac: mac(1)), StaticLease(mac: mac(1))],
        ])
    func refuseSettling(leases: [StaticLease]) {
        #expect(throws: VirtualNetwork.Failure.self) { try AddressRegistry(plan: Self.plan, leases: leases) }
    }

    @Test func `heeds a wish where it can`() throws {
        var register = try Self.register()
        let wish = IPv4Address(10, 0, 0, 5)
        #expect(register.refusal(of: wish, for: Self.mac(1)) == nil)
        #expect(try register.admit(Self.mac(1), preferring: wish).ipv4 == wish)
        #expect(register.refusal(of: wish, for: Self.mac(1)) == nil)
        #expect(register.refusal(of: wish, for: Self.mac(2)) == "10.0.0.5 is another guest's address")
        #expect(register.refusal(of: IPv4Address(10, 0, 0, 1), for: Self.mac(2)) != nil)
        #expect(register.refusal(of: IPv4Address(10, 0, 0, 4), for: Self.mac(1)) != nil)
        #expect(try register.admit(Self.mac(2), preferring: wish).ipv4 == IPv4Address(10, 0, 0, 2))
    }

    @Test func `gives an IPv6 address to the guest that uses it first, until that guest leaves`() throws {
        var register = try Self.register()
        for number: UInt64 in 1...2 { _ = try register.admit(Self.mac(number)) }
        let address = IPv6Address(high: 0xFD << 56, low: 0x1234)
        #expect(register.claim(address, by: 1, mac: Self.mac(1)) == true)
        #expect(register.claim(address, by: 1, mac: Self.mac(1)) == true)
        #expect(register.claim(address, by: 2, mac: Self.mac(2)) == false)
        register.leave(Self.mac(1), guest: 1)
        #expect(register.claim(address, by: 2, mac: Self.mac(2)) == true)
    }

    @Test func `gives an IPv6 address to another guest only when no part of its guest admits it any more`() throws {
        var register = try Self.register()
        for number: UInt64 in 1...2 { _ = try register.admit(Self.mac(number)) }
        let address = IPv6Address(high: 0xFD << 56, low: 0x1234)
        for _ in 0..<2 { #expect(register.claim(address, by: 1, mac: Self.mac(1)) == true) }
        register.release(address, of: 1)
        #expect(register.claim(address, by: 2, mac: Self.mac(2)) == false)
        register.release(address, of: 2)
        #expect(register.claim(address, by: 2, mac: Self.mac(2)) == false)
        register.release(address, of: 1)
        #expect(register.claim(address, by: 2, mac: Self.mac(2)) == true)
    }

    @Test func `keeps what SLAAC makes of a guest's address for that guest`() throws {
        var register = try Self.register()
        for number: UInt64 in 1...2 { _ = try register.admit(Self.mac(number)) }
        for prefix: UInt64 in [0xFD << 56, 0xFE80 << 48] {
            let address = IPv6Address(
                prefix: IPv6Address(high: prefix, low: 0), interfaceIdentifierFrom: Self.mac(1))
            #expect(register.claim(address, by: 2, mac: Self.mac(2)) == false)
            #expect(register.claim(address, by: 1, mac: Self.mac(1)) == true)
        }
    }
}
