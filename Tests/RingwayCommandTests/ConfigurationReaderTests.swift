import ArgumentParser
import Ringway
import Testing

@testable import RingwayCommand

@Suite("The configuration file of ringway serve")
struct ConfigurationReaderTests {
    private static var options: NetworkOrder {
        get throws {
            let command = try RootCommand.parseAsRoot(["serve", "--mtu", "9000", "--isolate"])
            return try #require(command as? ServeCommand).order
        }
    }

    private static func read(_ text: String) throws -> [NetworkOrder] {
        try ConfigurationReader(file: "f.yaml", options: try options).read(text)
    }

    @Test func `has a key for every option`() throws {
        let orders = try Self.read(
            """
            network: 10.1.0.0/16
            ipv6-prefix: fd12:3456:789a:1::/64
            mtu: 1400
            dns: [9.9.9.9, "[::1]:5353"]
            host-loopback: false
            host: false
            udp-filtering: endpoint-independent
            privileged-source-ports: true
            allow: 169.254.0.0/16
            deny: [10.0.0.0/8, fd00::/8]
            isolate: false
            shards: 3
            busy-poll: 0
            capture: c.pcapng
            socket-mode: 0660
            listen:
              - qemu:/a
              - vpnkit:/b
            publish: ["80:80", web=8080:80/udp]
            publish-on: 127.0.0.1,::1
            leases:
              - {mac: "52:54:00:12:34:56", address: 10.1.0.9, name: web}
              - mac: 52-54-00-12-34-57
            names:
              db.example: [10.0.0.5, "fd00::5"]
            limits: {max-flows: 100, max-udp-peers: 200, pool-size: 64M}
            """)
        let order = try #require(orders.first)
        let configuration = order.configuration
        #expect(configuration.ipv4Network.description == "10.1.0.0/16")
        #expect(configuration.ipv6Prefix?.description == "fd12:3456:789a:1::")
        #expect(configuration.mtu == 1_400)
        #expect(configuration.publishOn.description == "127.0.0.1,::1")
        #expect(configuration.nameServers.map(\.description) == ["9.9.9.9:53", "[::1]:5353"])
        #expect(!configuration.hostLoopback && !configuration.host)
        #expect(configuration.udpFiltering == .endpointIndependent)
        #expect(configuration.keepsPrivilegedPorts)
        #expect(configuration.allow.map(\.description) == ["169.254.0.0/16"])
        #expect(configuration.deny.map(\.description) == ["10.0.0.0/8", "fd00::/8"])
        #expect(!configuration.isolate)
        #expect(configuration.shards == 3)
        #expect(configuration.busyPoll == 0)
        #expect(configuration.capture == CaptureOptions("c.pcapng"))
        #expect(order.links.map { "\($0.address) \(String($0.mode, radix: 8))" } == ["qemu:/a 660", "vpnkit:/b 660"])
        #expect(order.publish.map(\.description) == ["80:80/tcp", "web=8080:80/udp"])
        #expect(configuration.leases.map(\.mac.description) == ["52:54:00:12:34:56", "52:54:00:12:34:57"])
        #expect(configuration.leases.map(\.name) == ["web", nil])
        #expect(configuration.leases[0].ipv4 == IPv4Address(10, 1, 0, 9))
        #expect(configuration.names.map(\.name) == ["db.example"])
        #expect(configuration.names[0].ipv4 == IPv4Address(10, 0, 0, 5))
        #expect(configuration.names[0].ipv6?.description == "fd00::5")
        #expect(configuration.limits.flowsPerGuest == 100)
        #expect(configuration.limits.poolBytesPerShard == 64 << 20)
    }

    @Test func `leaves missing keys to the options`() throws {
        for text in ["", "# nothing\n", "{}", "dns: []"] {
            let order = try #require(try Self.read(text).first)
            #expect(order.configuration.mtu == 9_000)
            #expect(order.configuration.isolate)
        }
    }

    @Test func `may be JSON, and have several networks`() throws {
        let orders = try Self.read(
            #"{"networks": {"blue": {"mtu": 1300, "listen": ["qemu:/b"]}, "red": {"isolate": false}}}"#)
        #expect(orders.map(\.name) == ["blue", "red"])
        #expect(orders.map(\.configuration.mtu) == [1_300, 9_000])
        #expect(orders.map(\.configuration.isolate) == [true, false])
        #expect(orders.map(\.links.count) == [1, 0])
    }

    @Test("has a key for each limit", arguments: Limits.table.map(\.flag))
    func readLimit(flag: String) throws {
        let order = try #require(
            try Self.read(
                "limits:\n  \(flag.dropFirst(2)): \(flag.hasSuffix("size") ? "77M" : flag == "--max-queues" ? "7" : "777")"
            ).first)
        #expect(order.configuration.limits != Limits())
    }

    @Test(
        "is refused with the place, what is wrong and what to do",
        arguments: [
            ("mtu: 1", "f.yaml: line 1: mtu: invalid value \"1\": it must be a number from 1280 to 65520"),
            ("\nmtu: [1]", "f.yaml: line 2: mtu: a list stands here; write a single value"),
            ("mtu:", "f.yaml: line 1: mtu: nothing stands here; write a single value"),
            ("isolate: 1", "f.yaml: line 1: isolate: invalid value \"1\": it must be true or false"),
            ("publish:\n  - 80:80\n  - 81:x", "f.yaml: line 3: publish.2: invalid value \"81:x\": the guest's port"),
            ("publish: {a: b}", "f.yaml: line 1: publish: keys and values stand here; write a list"),
            ("listen: qemu", "f.yaml: line 1: listen: invalid value \"qemu\": PATH is missing; use qemu:PATH"),
            (
                "leases: [{name: a}]",
                "f.yaml: line 1: leases.1: \"mac\" is missing; write mac, and address, name or link"
            ),
            (
                "leases:\n- mac: 52:54:00:12:34:56\n  address: 10.0.0.1",
                "f.yaml: line 3: leases.1.address: 10.0.0.1 is no guest's address in 192.168.127.0/24; use one of "
                    + "192.168.127.2 to 192.168.127.253"
            ),
            ("names: {x: y}", "f.yaml: line 1: names.x: invalid value \"y\": it is not an IP address"),
            ("networks: {}", "f.yaml: line 1: networks: there is no network; write at least one"),
            (
                "networks: {a: {}}\nmtu: 1400",
                "f.yaml: line 2: mtu: this key stands beside \"networks\"; write it inside"
            ),
            ("- a", "f.yaml: line 1: a list stands here; write keys and values"),
            ("listen:\n- qemu:/a\n- qemu:/a", "f.yaml: line 3: listen.2: qemu:/a is listened at twice; remove one"),
            (
                "publish:\n- 80-90:80-90\n- 85:1",
                "f.yaml: line 3: publish.2: port 85 of the host cannot be published twice: 80-90:80-90/tcp and"
            ),
        ])
    func refuse(text: String, expected: String) throws { try Self.expectRefusal(of: text, expected) }

    @Test(
        "asks what an unknown key was meant to be",
        arguments: [
            ("mtu: 1400\n\nlistn: qemu:/a", "f.yaml: line 3: unknown key \"listn\"; did you mean \"listen\"?"),
            (
                "networks:\n  blue:\n    ipv6prefix: x",
                "f.yaml: line 3: networks.blue: unknown key \"ipv6prefix\"; did you mean \"ipv6-prefix\"?"
            ),
            ("limits: {max-flow: 1}", "f.yaml: line 1: limits: unknown key \"max-flow\"; did you mean \"max-flows\"?"),
            ("leases:\n- adress: 1", "f.yaml: line 2: leases.1: unknown key \"adress\"; did you mean \"address\"?"),
            ("leases: [{zzz: 1}]", "f.yaml: line 1: leases.1: unknown key \"zzz\"; use one of mac, address, name"),
            ("PUBLISH: []", "f.yaml: line 1: unknown key \"PUBLISH\"; did you mean \"publish\"?"),
        ])
    func askForKey(text: String, expected: String) throws { try Self.expectRefusal(of: text, expected) }

    @Test(
        "is refused with line and column where it is no document of ours",
        arguments: [
            ("{", "f.yaml: line 2, column 1: this is neither YAML nor JSON"),
            ("listen: [a\nmtu: 1", "f.yaml: line 2, column 4: this is neither YAML nor JSON"),
            ("a:\n\tb: 1", "f.yaml: line 2, column 1: this is neither YAML nor JSON"),
            ("a:\n\tb: 1", "; indent with spaces, not with tabs"),
            ("ok: 1\nb: \u{1}", "f.yaml: line 2, column 4: this is neither YAML nor JSON: control characters"),
            (
                "mtu: 1400\nshards: 1\nmtu: 1500",
                "f.yaml: line 3, column 1: the key \"mtu\" is there twice, first in line 1"
            ),
            (
                #"{"mtu": 1400, "mtu": 1500}"#,
                "f.yaml: line 1, column 15: the key \"mtu\" is there twice, first in line 1"
            ),
            ("mtu: 1400\n---\nmtu: 1500", "f.yaml: line 2, column 1: a second document starts here"),
            ("mtu: !!int 1400", "f.yaml: line 1, column 6: the tag \"tag:yaml.org,2002:int\" means nothing here"),
            ("leases: !x []", "f.yaml: line 1, column 9: the tag \"!x\" means nothing here; remove it"),
            ("? [a]\n: 1", "f.yaml: line 1, column 3: a key is a list or has keys itself"),
            ("a: {<<: b}", "f.yaml: line 1, column 5: keys cannot be merged by \"<<\"; write them out"),
            ("mtu: *a", "f.yaml: line 1, column 6: no value before this place is named \"&a\""),
            ("dns: &a [*a]", "f.yaml: line 1, column 10: no value before this place is named \"&a\""),
            (#"capture: "a\0b""#, "f.yaml: line 1, column 10: there is a zero byte in this text"),
            (
                String(repeating: "[", count: 100),
                "f.yaml: line 1, column 33: lists and keys are more than 32 deep here"
            ),
        ])
    func refuseDocument(text: String, expected: String) throws { try Self.expectRefusal(of: text, expected) }

    @Test func `may name a value and use it again`() throws {
        let orders = try Self.read(
            "networks:\n  a: {dns: &d [9.9.9.9], publish: [80:80]}\n  b: {dns: *d}")
        #expect(orders.map { $0.configuration.nameServers.map(\.description) } == [["9.9.9.9:53"], ["9.9.9.9:53"]])
    }

    @Test func `is refused at once where names of values would make it immense`() throws {
        var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...20 {
            let alias = "*a\(level - 1)"
            text += "a\(level): &a\(level) [\(Array(repeating: alias, count: 10).joined(separator: ", "))]\n"
        }
        try Self.expectRefusal(of: text, "f.yaml: line 6, column 20: there are more than 262144 values here")
    }

    @Test func `is no deeper where names of values stand for lists`() throws {
        var text = "a0: &a0 [x]\n"
        for level in 1...40 { text += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        try Self.expectRefusal(of: text, "f.yaml: line 32, column 12: lists and keys are more than 32 deep here")
    }

    @Test(
        "refuses names that no query could have",
        arguments: [
            ("\"*\"", "\"*\" alone would be every name; write *.example"),
            ("\"a.*.example\"", "\"*\" stands for whole labels in front; write *.example"),
            ("\"a*.example\"", "\"*\" stands for whole labels in front; write *.example"),
            ("bücher.example", "names are asked for in ASCII; write each label that has other letters as xn--..."),
            ("a..b", "this is no domain name; write one such as db.example"),
        ])
    func refuseName(name: String, expected: String) throws {
        try Self.expectRefusal(of: "names:\n  \(name): 10.0.0.1", ": \(expected)")
    }

    @Test func `accepts a wildcard for the names below a name, and refuses a name that differs in case only`() throws {
        let order = try #require(try Self.read(#"names: {"*.apps.example": 10.0.0.5, apps.example.: 10.0.0.6}"#).first)
        #expect(order.configuration.names.map(\.name) == ["*.apps.example", "apps.example."])
        try Self.expectRefusal(
            of: "names:\n  a.example: 10.0.0.5\n  A.Example.: 10.0.0.6",
            "f.yaml: line 3: names.A.Example.: this name is there twice, first in line 2; remove one")
    }

    private static func expectRefusal(
        of text: String, _ expected: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let failure = #expect(throws: CommandFailure.self, sourceLocation: sourceLocation) { try read(text) }
        let message = failure?.message ?? ""
        #expect(message.contains(expected), "\(message)", sourceLocation: sourceLocation)
        #expect(failure?.status == 2, sourceLocation: sourceLocation)
        #expect(!message.contains("\n"), sourceLocation: sourceLocation)
    }
}
