import RingwayWire
import Testing

@testable import RingwayResolver

@Suite struct ResolvConfTests {
    private func parse(_ text: String) -> ResolvConf { ResolvConf(parsing: Array(text.utf8), port: 53) }

    private func servers(_ text: String) -> [String] {
        parse(text).servers.map { "\($0.address.address)\($0.zone.map { "%" + $0 } ?? "")" }
    }

    @Test func `Nameservers of both families are taken in their order`() {
        let text =
            "# made by hand\nnameserver 192.0.2.1\n; more\nnameserver\t2001:db8::1\r\nnameserver fe80::1%eth0 # x\n"
        #expect(servers(text) == ["192.0.2.1", "2001:db8::1", "fe80::1%eth0"])
    }

    @Test func `Without a usable nameserver the local machine is asked`() {
        #expect(servers("") == ["127.0.0.1"])
        #expect(
            servers("search example.com\n#nameserver 192.0.2.1\nnameserver\nnameserver dns.example.com\n") == [
                "127.0.0.1"
            ])
        #expect(servers(" nameserver 192.0.2.1\n") == ["127.0.0.1"])
    }

    @Test func `The last line of search domains counts, and what is no domain name is left out`() {
        #expect(parse("search a.example b.example\n").search == ["a.example", "b.example"])
        #expect(parse("domain x.example y.example\nsearch a.example b..c .\n").search == ["a.example"])
        #expect(parse("search a.example\ndomain x.example y.example\n").search == ["x.example"])
        #expect(parse("search .\n").search == [])
        let many = (0..<100).map { "domain-number-\($0).example" }
        #expect(parse("search " + many.joined(separator: " ")).search == Array(many.prefix(32)))
        let long = (0..<20).map { "\(String(repeating: "x", count: 60)).\($0)" }
        #expect(parse("search " + long.joined(separator: " ")).search.count == 15)
    }

    @Test func `A stub on a loopback address is taken`() {
        #expect(servers("nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch .\n") == ["127.0.0.53"])
    }

    @Test func `A file may lack its last line break`() {
        #expect(servers("nameserver 192.0.2.1") == ["192.0.2.1"])
    }

    @Test func `No more than eight nameservers are taken`() {
        let text = (1...12).map { "nameserver 192.0.2.\($0)\n" }.joined()
        #expect(servers(text) == (1...8).map { "192.0.2.\($0)" })
    }

    @Test func `Options are honoured within glibc's bounds`() {
        let some = parse("options timeout:2 attempts:3 rotate use-vc ndots:5\n")
        #expect(some.timeout == 2 && some.attempts == 3 && some.rotates && some.usesStreams)
        let none = parse("options ndots:1\n")
        #expect(none.timeout == 5 && none.attempts == 2 && !none.rotates && !none.usesStreams)
        let wild = parse("options timeout:9999 attempts:0\noptions attempts:x timeout:\n")
        #expect(wild.timeout == 30 && wild.attempts == 1)
    }

    @Test func `Bytes that are no text do no harm`() {
        let conf = ResolvConf(parsing: [0xFF, 0xFE, 0, 10] + Array("nameserver 192.0.2.1\n".utf8) + [0x80], port: 53)
        #expect(conf.servers.count == 1)
    }

    @Test(arguments: ["192.0.2.1%eth0", "fe80::1%", "fe80::1%%", "192.0.2", "::g", ""])
    func `What is no address is no nameserver`(text: String) {
        if text == "fe80::1%%" {
            #expect(Nameserver(text, port: 53)?.zone == "%")
        } else {
            #expect(Nameserver(text, port: 53) == nil)
        }
    }
}
