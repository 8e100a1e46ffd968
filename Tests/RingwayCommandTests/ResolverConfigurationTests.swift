import Ringway
import Testing

@testable import RingwayCommand

@Suite("The guest's resolv.conf")
struct ResolverConfigurationTests {
    private let gateway = IPv4Address(192, 168, 127, 1)

    @Test func `names the gateway alone and keeps search list and options`() {
        let host = """
            # a comment
            nameserver 127.0.0.53
            search example.org   corp.example
            options edns0 trust-ad
            sortlist 10.0.0.0
            nameserver 10.0.0.1
            """
        let lines = ResolverConfiguration.contents(gateway: gateway, host: host).split(separator: "\n").dropFirst()
        #expect(
            Array(lines) == ["nameserver 192.168.127.1", "search example.org corp.example", "options edns0 trust-ad"])
    }

    @Test func `needs nothing of the host`() {
        #expect(ResolverConfiguration.contents(gateway: gateway, host: "").hasSuffix("nameserver 192.168.127.1\n"))
        #expect(ResolverConfiguration.hostContents(at: "/nonexistent/resolv.conf") == "")
    }

    @Test func `finds the host's servers`() {
        #expect(
            ResolverConfiguration.servers(in: "nameserver\t1.2.3.4\nnameserver\n;nameserver 5.6.7.8") == ["1.2.3.4"])
    }
}
