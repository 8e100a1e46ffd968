import Glibc
import RingwayModel
import Testing

@testable import RingwayResolver

/// Real programs at both ends: dig and dnsmasq.
@Suite(
    .serialized, .timeLimit(.minutes(2)),
    .enabled(if: ChildProgram.exists("/usr/sbin/dnsmasq") && ChildProgram.exists("/usr/bin/dig")))
final class DnsmasqTests {
    private static let bigTexts = (0..<20).map { number in String(repeating: "\(number % 10)", count: 200) }

    private let server: ChildProgram
    private let resolver: Resolver
    private let relay: GuestRelay

    init() throws {
        // A port that was free a moment ago, by UDP and TCP.
        let address = try ScriptedNameserver([], script: { _, _ in [] }).address
        var arguments = [
            "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file", "--user=root",
            "--listen-address=127.0.0.1", "--bind-interfaces", "--port=\(address.port)", "--local=/test/",
            "--edns-packet-max=8192", "--host-record=www.test,192.0.2.10,2001:db8::10", "--cname=alias.test,www.test",
            "--mx-host=mail.test,mx1.test,10", "--srv-host=_sip._tcp.test,sip.test,5060,1,2",
            "--txt-record=note.test,one,two", "--caa-record=www.test,0,issue,ca.test",
            "--ptr-record=10.2.0.192.in-addr.arpa,www.test",
        ]
        arguments += Self.bigTexts.map { "--txt-record=big.test,\($0)" }
        server = try ChildProgram("/usr/sbin/dnsmasq", arguments)
        var configuration = Resolver.Configuration(
            names: [
                BuiltinName(
                    name: "host.ringway.internal", ipv4: IPv4Address(192, 168, 127, 254),
                    ipv6: IPv6Address(high: 0xFD00 << 48, low: 0xFE))
            ],
            upstreams: [address])
        configuration.limits.retryInterval = .milliseconds(300)
        resolver = try Resolver(configuration)
        relay = try GuestRelay(resolver)
        // SERVFAIL comes at once until dnsmasq listens.
        let probe = ShardSide(datagramsOf: resolver)
        for _ in 0..<100_000 {
            guard let answer = probe.ask(MessageBuilder.query("www.test")), MessageBuilder.code(answer) != 0 else {
                break
            }
        }
    }

    private func dig(_ arguments: String...) throws -> [String] {
        let program = try ChildProgram(
            "/usr/bin/dig", ["@127.0.0.1", "-p", "\(relay.port)", "+tries=1", "+time=10"] + arguments)
        return program.readToEnd().split(separator: "\n").map(String.init)
    }

    @Test(arguments: [
        (["www.test", "A"], ["192.0.2.10"]), (["www.test", "AAAA"], ["2001:db8::10"]),
        (["alias.test", "A"], ["www.test.", "192.0.2.10"]), (["mail.test", "MX"], ["10 mx1.test."]),
        (["_sip._tcp.test", "SRV"], ["1 2 5060 sip.test."]), (["note.test", "TXT"], ["\"one\" \"two\""]),
        (["-x", "192.0.2.10"], ["www.test."]), (["host.ringway.internal", "A"], ["192.168.127.254"]),
        (["host.ringway.internal", "AAAA"], ["fd00::fe"]), (["-x", "192.168.127.254"], ["host.ringway.internal."]),
        (["-x", "fd00::fe"], ["host.ringway.internal."]), (["www.test", "TYPE257"], ["0 issue \"ca.test\""]),
    ])
    func `What dnsmasq and the gateway know reaches dig, by UDP and by TCP`(question: [String], expected: [String])
        throws
    {
        for way in ["+notcp", "+tcp"] {
            let program = try ChildProgram(
                "/usr/bin/dig", ["@127.0.0.1", "-p", "\(relay.port)", "+short", "+tries=1", "+time=10", way] + question)
            #expect(program.readToEnd().split(separator: "\n").map(String.init) == expected, "\(way)")
        }
    }

    @Test func `A name that does not exist does not exist`() throws {
        #expect(try dig("nothing.test").contains { $0.contains("status: NXDOMAIN") })
        #expect(try dig("nothing.test", "+tcp").contains { $0.contains("status: NXDOMAIN") })
    }

    @Test func `A big answer passes whole by UDP when the client takes it`() throws {
        let texts = try dig("+short", "+bufsize=8192", "+ignore", "big.test", "TXT")
        #expect(Set(texts) == Set(Self.bigTexts.map { "\"\($0)\"" }))
        #expect(try dig("+bufsize=8192", "+ignore", "big.test", "TXT").contains { $0.contains("MSG SIZE  rcvd: 4") })
    }

    @Test func `A big answer is truncated for a small client, which comes back over TCP`() throws {
        let truncated = try dig("+noedns", "+ignore", "big.test", "TXT")
        #expect(truncated.contains { $0.contains("flags: qr") && $0.contains(" tc ") })
        let texts = try dig("+short", "+noedns", "big.test", "TXT")
        #expect(Set(texts.filter { !$0.hasPrefix(";;") }) == Set(Self.bigTexts.map { "\"\($0)\"" }))
        #expect(resolver.statistics().streamsOpened == 1)
    }

    @Test func `Several questions share a connection`() throws {
        let texts = try dig("+short", "+tcp", "+keepopen", "www.test", "A", "www.test", "AAAA", "note.test", "TXT")
        #expect(texts == ["192.0.2.10", "2001:db8::10", "\"one\" \"two\""])
        #expect(resolver.statistics().streamsOpened == 1)
    }

    @Test func `Cookies and other options pass through to the server and back`() throws {
        let lines = try dig("+cookie=0011223344556677", "www.test")
        #expect(lines.contains { $0.contains("EDNS: version: 0") })
        #expect(lines.contains { $0.contains("192.0.2.10") })
    }

    @Test func `A thousand queries at once are all answered`() throws {
        let shard = ShardSide(datagramsOf: resolver)
        var answered = 0
        for burst in 0..<20 {
            for number in 0..<50 {
                shard.sendDatagram(MessageBuilder.query("www.test", identifier: UInt16(burst * 50 + number)))
            }
            for _ in 0..<50 {
                let answer = try #require(shard.receiveDatagram()).answer
                if MessageBuilder.answers(answer).map(\.data) == [[192, 0, 2, 10]] { answered += 1 }
            }
        }
        #expect(answered == 1000)
    }
}
