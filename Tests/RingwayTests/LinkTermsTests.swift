import Testing

@testable import Ringway

@Suite("The guests that a link admits")
struct LinkTermsTests {
    private static let web = MACAddress(rawValue: 0x5254_0000_0001)
    private static let other = MACAddress(rawValue: 0x5254_0000_0002)

    // MARK: In words

    @Test(
        "is read as it is written",
        arguments: [
            "qemu:/run/a.sock", "qemu:/run/a.sock,guest=web", "vpnkit:/a,b=c,mac=52:54:00:00:00:01",
            "tap:tap0,guest=web,mac=52:54:00:00:00:01", "vsock:1024,cid=3,cid=4,guest=web", "unix:/a,guest=web",
            "fd:3,4",
            "hybrid:1024:/v,guest=web",
        ])
    func readBack(text: String) throws { #expect(try LinkSpecification(text).description == text) }

    @Test func `leaves commas to paths`() throws {
        #expect(try LinkSpecification("qemu:/a,b,guest=web").address == .qemu(path: "/a,b"))
        #expect(try LinkSpecification("qemu:/a,guest=web/b").address == .qemu(path: "/a,guest=web/b"))
    }

    @Test(
        "is refused with what would be right",
        arguments: [
            ("qemu:/a,guest=host", "\"host\" is no guest's name"), ("qemu:/a,guest=", "\"\" is no guest's name"),
            ("qemu:/a,mac=1", "use mac=52:54:00:12:34:56, say"), ("vsock:1,cid=x", "use cid=3, say"),
            ("qemu:/a,cid=3", "only machines of a vsock have a CID"),
            ("qemu:/a,guest=a,guest=b", "guest= is there twice"),
        ])
    func refuse(text: String, reason: String) {
        let failure = #expect(throws: VirtualNetwork.Failure.self) { try LinkSpecification(text) }
        #expect(failure?.description.contains(reason) == true, "\(failure?.description ?? "")")
    }

    @Test func `is required for a vsock port, or a token is`() {
        let port = LinkAddress.agentPort(1_024)
        let problem = LinkTerms().problem(at: port, hasToken: false)
        #expect(problem?.contains("vsock:1024,cid=N") == true && problem?.contains("--agent-token") == true)
        #expect(LinkTerms().problem(at: port, hasToken: true) == nil)
        #expect(LinkTerms(machines: [3]).problem(at: port, hasToken: false) == nil)
        #expect(LinkTerms().problem(at: .qemu(path: "/a"), hasToken: false) == nil)
        #expect(throws: VirtualNetwork.Failure.self) {
            let network = try VirtualNetwork(VirtualNetwork.Configuration())
            defer { network.stop() }
            try network.listen(on: port)
        }
    }

    // MARK: Links and machines

    private static let own = LinkAddress.qemu(path: "/web")
    private static let open = LinkAddress.qemu(path: "/open")

    private static func register(_ leases: StaticLease...) throws -> AddressRegistry {
        let block = try #require(CIDRBlock("10.0.0.0/29"))
        let plan = try #require(
            NetworkPlan(ipv4: block, ipv6Prefix: IPv6Address(high: 0xFD << 56, low: 0), mtu: 1_500))
        return try AddressRegistry(plan: plan, leases: leases)
    }

    @Test(
        "is one machine alone where the link has one, and that machine can use no other link",
        arguments: [
            (LinkTerms(mac: web), StaticLease(mac: web)), (LinkTerms(guest: "web"), StaticLease(mac: web, name: "web")),
            (LinkTerms(guest: "web", mac: web), StaticLease(mac: web)),
        ])
    func bound(terms: LinkTerms, lease: StaticLease) throws {
        let register = try Self.register(lease)
        var bindings = LinkBindings()
        try bindings.bind(Self.own, terms)
        #expect(bindings.refusal(of: Self.web, at: Self.own, in: register) == nil)
        #expect(bindings.refusal(of: Self.other, at: Self.own, in: register)?.contains("another machine") == true)
        #expect(bindings.refusal(of: Self.web, at: Self.open, in: register)?.contains("may connect only by") == true)
        #expect(bindings.refusal(of: Self.other, at: Self.open, in: register) == nil)
        bindings.release(Self.own)
        #expect(bindings.refusal(of: Self.web, at: Self.open, in: register) == nil)
    }

    @Test func `is the guest whose lease names the link`() throws {
        let register = try Self.register(StaticLease(mac: Self.web, name: "web", link: Self.own))
        let bindings = LinkBindings()
        #expect(bindings.refusal(of: Self.web, at: Self.own, in: register) == nil)
        #expect(bindings.refusal(of: Self.web, at: Self.open, in: register)?.contains("may connect only by") == true)
    }

    @Test func `is identified by its link if the terms have only a name`() throws {
        var register = try Self.register()
        var bindings = LinkBindings()
        try bindings.bind(Self.own, LinkTerms(guest: "web"))
        _ = try register.admit(Self.web)
        register.setLink(Self.own, of: Self.web)
        try register.assignName("web", to: Self.web)
        register.leave(Self.web, guest: 1)
        #expect(bindings.refusal(of: Self.web, at: Self.open, in: register)?.contains("may connect only by") == true)
        // After a restart too.
        var later = try Self.register()
        for lease in register.remembered { later.remember(lease) }
        #expect(bindings.refusal(of: Self.web, at: Self.open, in: later)?.contains("may connect only by") == true)
        // A machine with another card takes over the name.
        _ = try register.admit(Self.other)
        try register.assignName("web", to: Self.other)
        #expect(register.leases[Self.other]?.name == "web" && register.leases[Self.web]?.name == "guest-2")
    }

    @Test func `has one link for each guest and each ethernet address`() throws {
        var bindings = LinkBindings()
        try bindings.bind(Self.own, LinkTerms(guest: "web", mac: Self.web))
        #expect(throws: VirtualNetwork.Failure.self) { try bindings.bind(Self.open, LinkTerms(guest: "web")) }
        #expect(throws: VirtualNetwork.Failure.self) { try bindings.bind(Self.open, LinkTerms(mac: Self.web)) }
        try bindings.bind(Self.open, LinkTerms(guest: "db"))
    }

    // MARK: Names

    @Test func `loses a self-assigned name to the guest that is configured with it`() throws {
        var register = try Self.register()
        for mac in [Self.web, Self.other] { _ = try register.admit(mac) }
        try register.rename(Self.other, "web", isClaimed: true)
        #expect(register.leases[Self.other]?.claimsName == true)
        try register.assignName("web", to: Self.web)
        #expect(register.leases[Self.web]?.name == "web" && register.leases[Self.web]?.claimsName == false)
        #expect(register.leases[Self.other]?.name == "guest-3")
        #expect(throws: VirtualNetwork.Failure.self) { try register.rename(Self.other, "web", isClaimed: true) }
        #expect(throws: VirtualNetwork.Failure.self) { try register.assignName("web", to: Self.other) }
        // Claiming the assigned name has no effect.
        try register.rename(Self.web, "web", isClaimed: true)
        #expect(register.leases[Self.web]?.claimsName == false)
    }

    @Test func `is not meant by a name that it has given itself, unless such names are trusted`() {
        func guest(claims: Bool) -> Guest {
            Guest(
                id: 1, mac: Self.web, ipv4: IPv4Address(10, 0, 0, 2), ipv6: .loopback, name: "web", claimsName: claims,
                link: "a link")
        }
        let selector = GuestSelector.name("web")
        #expect(selector.names(guest(claims: false), trustsClaims: false))
        #expect(!selector.names(guest(claims: true), trustsClaims: false))
        #expect(selector.names(guest(claims: true), trustsClaims: true))
        #expect(GuestSelector.mac(Self.web).names(guest(claims: true), trustsClaims: false))
    }
}
