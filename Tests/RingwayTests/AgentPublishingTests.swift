import Testing

@testable import Ringway

@Suite("Ports that agents may have")
struct AgentPublishingTests {
    private static func place(
        _ rules: String, _ wanted: String, within policy: BindPolicy = .everywhere
    ) throws -> String? {
        let wanted = try #require(TransportAddress(wanted))
        return try AgentPublishing(rules).place(for: wanted, within: policy).map { "\($0)" }
    }

    @Test func `are none by default`() throws {
        #expect(VirtualNetwork.Configuration().agentPublishing == .none)
        #expect(try Self.place("none", "127.0.0.1:8080") == nil)
        let wanted = try #require(TransportAddress("0.0.0.0:22"))
        #expect(
            AgentPublishing.none.refusal(of: wanted)
                == "0.0.0.0:22: agents may publish no ports; \"ringway serve --agent-publish\" on the host lets them")
    }

    @Test(
        "are had where they are allowed, and nowhere else",
        arguments: [
            ("loopback", "127.0.0.1:8080", "127.0.0.1"), ("loopback", "0.0.0.0:8080", "127.0.0.1"),
            ("loopback", "[::]:8080", "::1"), ("loopback", "192.0.2.1:8080", nil), ("all", "0.0.0.0:8080", "0.0.0.0"),
            // Ports of the machine's own services must be allowed explicitly.
            ("all", "0.0.0.0:22", nil), ("loopback", "127.0.0.1:80", nil), ("all:80,all:443", "0.0.0.0:443", "0.0.0.0"),
            ("all:1-65535", "0.0.0.0:22", "0.0.0.0"), ("192.0.2.1:8000-8010", "192.0.2.1:8010", "192.0.2.1"),
            ("192.0.2.1:8000-8010", "192.0.2.1:8011", nil), ("192.0.2.1,[::1]:9000", "[::]:9000", "::1"),
            ("192.0.2.1", "0.0.0.0:8080", "192.0.2.1"), ("::1", "[::1]:8080", "::1"),
            // A port chosen by the kernel is always unprivileged.
            ("loopback", "127.0.0.1:0", "127.0.0.1"), ("loopback:8000-8999", "127.0.0.1:0", nil),
        ] as [(String, String, String?)])
    func places(rules: String, wanted: String, place: String?) throws {
        #expect(try Self.place(rules, wanted) == place)
    }

    @Test func `are bounded by where ports may be had at all`() throws {
        #expect(try Self.place("all", "0.0.0.0:8080", within: .loopback) == "127.0.0.1")
        #expect(try Self.place("192.0.2.1", "192.0.2.1:8080", within: .loopback) == nil)
    }

    @Test(
        "are read as they are written",
        arguments: ["none", "loopback", "all:80", "loopback:1-65535,192.0.2.1", "[::1]:8000-8999", "::1"])
    func readBack(text: String) throws { #expect(try AgentPublishing(text).description == text) }

    @Test(
        "are refused with what would be right",
        arguments: [
            "", "lopback", "none,all", "0.0.0.0", "all:", "all:0", "all:9-8", "all:x", "::1:80-90x", "192.0.2.1:65536",
        ])
    func refuse(text: String) {
        let failure = #expect(throws: VirtualNetwork.Failure.self) { try AgentPublishing(text) }
        #expect(failure?.description.contains("such as") == true || failure?.description.contains("say") == true)
    }
}
