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
        // The tests look at what routers say, not at how often.
        try set("net.ipv4.icmp_ratelimit", "0", in: router)
        try configure(host, ["route", "add", "default", "via", "10.77.1.2"])
        try configure(host, ["-6", "route", "add", "default", "via", "fd77:1::2"])
        try configure(far, ["route", "add", "default", "via", "10.77.2.1"])
        try configure(far, ["-6", "route", "add", "default", "via", "fd77:2::1"])
        return router
    }
}
