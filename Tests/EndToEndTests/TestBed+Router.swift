extension TestBed {
    /// A router behind the host, and a machine behind the router: `10.77.2.2` and `fd77:2::2`. Returns the router's
    /// namespace.
    func makeRouter() throws -> String {
        let router = try makeNamespace("router")
        let far = try makeNamespace("far")
        try connect(host, router, network: 1)
        try connect(router, far, network: 2)
        try set("net.ipv4.ip_forward", "1", in: router)
        try set("net.ipv6.conf.all.forwarding", "1", in: router)
        // The tests check the content of routers' errors, not their rate.
        try set("net.ipv4.icmp_ratelimit", "0", in: router)
        try configure(host, ["route", "add", "default", "via", "10.77.1.2"])
        try configure(host, ["-6", "route", "add", "default", "via", "fd77:1::2"])
        try configure(far, ["route", "add", "default", "via", "10.77.2.1"])
        try configure(far, ["-6", "route", "add", "default", "via", "fd77:2::1"])
        return router
    }

    /// A namespace behind the guest, which is its router: addresses of the guest's network, and a link with a smaller
    /// MTU in the direction from the guest than the other end knows.
    func connectInside(_ guest: Guest, _ inner: String, mtu: Int) throws {
        _ = try runAnywhere([
            "ip", "link", "add", "inner", "netns", inner, "type", "veth", "peer", "name", "inner", "netns",
            "\(guest.command)",
        ]).requireSuccess()
        let (ipv4, ipv6) = ("192.168.127.77", "fd00:1:2:3::77")
        try configure(inner, ["addr", "add", "\(ipv4)/32", "dev", "inner"])
        try configure(inner, ["addr", "add", "\(ipv6)/128", "dev", "inner", "nodad"])
        try configure(inner, ["link", "set", "inner", "up"])
        try guest.set("net.ipv4.ip_forward", "1")
        try guest.set("net.ipv6.conf.all.forwarding", "1")
        for arguments in [
            ["link", "set", "inner", "mtu", "\(mtu)", "up"],
            ["addr", "add", "fe80::77/64", "dev", "inner", "nodad"],
            ["route", "add", "\(ipv4)/32", "dev", "inner"],
            ["-6", "route", "add", "\(ipv6)/128", "dev", "inner"],
            // A router takes no default route from advertisements.
            ["-6", "route", "replace", "default", "via", "fd00:1:2:3::1", "dev", "eth0"],
        ] { _ = try guest.run(["ip"] + arguments).requireSuccess() }
        try configure(inner, ["route", "add", "\(Family.ipv4.guest)/32", "dev", "inner"])
        try configure(inner, ["route", "add", "default", "via", Family.ipv4.guest])
        try configure(inner, ["-6", "route", "add", "default", "via", "fe80::77", "dev", "inner"])
    }
}
