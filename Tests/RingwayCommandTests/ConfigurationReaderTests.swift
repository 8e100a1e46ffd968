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

    @Test func `says everything that the options say`() throws {
        let orders = try Self.read(
            """
            network: 10.1.0.0/16
            ipv6-prefix: fd12:3456:789a:1::/64
            mtu: 1400
            dns: [9.9.9.9, "[::1]:5353"]
            host-loopback: false
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
            limits: {max-flows: 10, pool-size: 64M}
            """)
        let order = try #require(orders.first)
        let configuration = order.configuration
        #expect(configuration.ipv4Network.description == "10.1.0.0/16")
        #expect(configuration.ipv6Prefix?.description == "fd12:3456:789a:1::")
        #expect(configuration.mtu == 1_400)
        #expect(configuration.publishOn.description == "127.0.0.1,::1")
        #expect(configuration.nameServers.map(\.description) == ["9.9.9.9:53", "[::1]:5353"])
        #expect(!configuration.hostLoopback)
        #expect(configuration.allow.map(\.description) == ["169.254.0.0/16"])
        #expect(configuration.deny.map(\.description) == ["10.0.0.0/8", "fd00::/8"])
        #expect(!configuration.isolate)
        #expect(configuration.shards == 3)
        #expect(configuration.busyPoll == 0)
        #expect(configuration.captureFile == "c.pcapng")
        #expect(order.links.map { "\($0.address) \(String($0.mode, radix: 8))" } == ["qemu:/a 660", "vpnkit:/b 660"])
        #expect(order.publish.map(\.description) == ["80:80/tcp", "web=8080:80/udp"])
        #expect(configuration.leases.map(\.mac.description) == ["52:54:00:12:34:56", "52:54:00:12:34:57"])
        #expect(configuration.leases.map(\.name) == ["web", nil])
        #expect(configuration.leases[0].ipv4 == IPv4Address(10, 1, 0, 9))
        #expect(configuration.names.map(\.name) == ["db.example"])
        #expect(configuration.names[0].ipv4 == IPv4Address(10, 0, 0, 5))
        #expect(configuration.names[0].ipv6?.description == "fd00::5")
        #expect(configuration.limits.flowsPerGuest == 10)
        #expect(configuration.limits.poolOctetsPerShard == 64 << 20)
    }

    @Test func `leaves to the options what it does not say`() throws {
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
        let order = try #require(try Self.read("limits:\n  \(flag.dropFirst(2)): 777").first)
        #expect(order.configuration.limits != Limits())
    }

    @Test(
        "is refused with place, finding and what is allowed",
        arguments: [
            ("mtu: 1", "f.yaml:1: mtu: found \"1\"; allowed: it must be a number from 1280 to 65520"),
            ("\nmtu: [1]", "f.yaml:2: mtu: found a list; allowed: a single value"),
            ("mtu:", "f.yaml:1: mtu: found nothing; allowed: a single value"),
            ("a: 1", "f.yaml:1: a: found there is no such key; allowed: one of networks, network, ipv6-prefix"),
            ("isolate: 1", "f.yaml:1: isolate: found \"1\"; allowed: true or false"),
            ("publish:\n  - 80:80\n  - 81:x", "f.yaml:3: publish.2: found \"81:x\"; allowed: the guest's port"),
            ("publish: {a: b}", "f.yaml:1: publish: found keys and values; allowed: a list"),
            ("listen: qemu", "f.yaml:1: listen: found \"qemu\"; allowed: \"qemu\" is no link: it is one of qemu:PATH"),
            ("leases: [{name: a}]", "f.yaml:1: leases.1: found no \"mac\"; allowed: mac, and address or name"),
            (
                "leases:\n- mac: 52:54:00:12:34:56\n  address: 10.0.0.1",
                "f.yaml:3: leases.1.address: found \"10.0.0.1\"; allowed: 192.168.127.2 to 192.168.127.253"
            ),
            ("names: {x: y}", "f.yaml:1: names.x: found \"y\"; allowed: it is not an IP address"),
            ("limits: {max-x: 1}", "f.yaml:1: limits.max-x: found there is no such key; allowed: one of max-flows"),
            ("networks: {}", "f.yaml:1: networks: found nothing; allowed: at least one network"),
            ("networks: {a: {}}\nmtu: 1400", "f.yaml:2: mtu: found a key beside \"networks\"; allowed: the key inside"),
            ("- a", "f.yaml:1: found a list; allowed: keys and values"),
            ("mtu: 1400\nmtu: 1500", "the key \"mtu\" is there twice"),
            ("{", "it is neither YAML nor JSON"),
        ])
    func refuse(text: String, expected: String) throws {
        let failure = #expect(throws: CommandFailure.self) { try Self.read(text) }
        #expect(failure?.message.contains(expected) == true, "\(failure?.message ?? "")")
        #expect(failure?.status == 2)
        #expect(failure?.message.contains("\n") == false)
    }
}
