import ArgumentParser
import Ringway
import RingwayTap
import Testing

@testable import RingwayCommand

/// The error line of a failed parse, without the program's name.
private func refusal(_ arguments: [String]) -> String? {
    do {
        _ = try RootCommand.parseAsRoot(arguments)
        return nil
    } catch {
        return CommandLineEntry.refusal(error, arguments)
    }
}

@Suite("ringway run's command line")
struct RunCommandLineTests {
    private func parse(_ arguments: String...) throws -> RunCommand {
        try #require(try RootCommand.parseAsRoot(["run"] + arguments) as? RunCommand)
    }

    @Test func `passes everything after COMMAND on untouched`() throws {
        let command = try parse("-p", "80:80", "--mtu", "9000", "curl", "-v", "--mtu", "1", "-p", "--", "--help")
        #expect(command.command == ["curl", "-v", "--mtu", "1", "-p", "--", "--help"])
        #expect(command.network.mtu == 9000)
        #expect(command.guest.publish.count == 1)
    }

    @Test func `takes the first double dash as the end of its own options`() throws {
        #expect(try parse("--mtu", "1280", "--", "-x", "--", "y").command == ["-x", "--", "y"])
        #expect(try parse("--", "--", "x").command == ["--", "x"])
    }

    @Test func `accepts a published port joined to its letter, and many of them`() throws {
        let command = try parse("-p80:80", "-p", "81:81/udp", "--publish", "82:82", "true")
        #expect(command.guest.publish.map(\.hostPorts.lowerBound) == [80, 81, 82])
    }

    @Test func `does not take an unknown option for COMMAND`() {
        #expect(refusal(["run", "--bogus", "true"])?.hasPrefix("unknown option \"--bogus\"") == true)
        #expect(refusal(["run", "-x"])?.hasPrefix("unknown option \"-x\"") == true)
    }

    @Test("wants a COMMAND", arguments: [["run"], ["run", "--"], ["run", "--mtu", "1500"]])
    func wantsCommand(_ arguments: [String]) {
        #expect(refusal(arguments)?.hasPrefix("COMMAND is missing") == true)
    }

    @Test func `has defaults that need no option`() throws {
        let command = try parse("true")
        let order = try BridgeOrder(
            guest: command.guest, network: command.network, bridge: command.bridge, limits: command.limits,
            origin: .command(["true"]))
        #expect(order.plan.gatewayIPv4.description == "192.168.127.1")
        #expect(order.configuration.mtu == 1500)
        #expect(order.configuration.limits == Limits())
        #expect(order.configuration.hostLoopback && order.configuration.host)
        #expect(order.configuration.udpFiltering == .address)
        #expect(order.configuration.shards == order.queues)
        #expect(order.queues >= 1)
        #expect(order.interfaceName == "eth0")
        #expect(order.plan.ipv6Prefix.high >> 56 == 0xFD)
        #expect(order.configuration.ipv6Prefix == order.plan.ipv6Prefix)
    }

    @Test func `carries every option to the network`() throws {
        let command = try parse(
            "--network", "10.1.0.0/16", "--ipv6-prefix", "fd12:3456:789a:1::/64", "--mtu", "9000", "--shards", "3",
            "--dns", "9.9.9.9", "--dns", "[::1]:5353", "--no-host-loopback", "--allow", "169.254.0.0/16", "--deny",
            "10.0.0.0/8", "--deny", "fd00::/8", "--capture", "c.pcapng", "--statistics", "s.json", "--ifname", "tap7",
            "--publish-on", "loopback", "--reactor", "epoll", "--no-host", "--udp-filtering", "address-and-port",
            "--max-udp-peers", "100", "true")
        let order = try BridgeOrder(
            guest: command.guest, network: command.network, bridge: command.bridge, limits: command.limits,
            origin: .command(["true"]))
        let configuration = order.configuration
        #expect(configuration.ipv4Network.description == "10.1.0.0/16")
        #expect(order.plan.hostIPv4.description == "10.1.255.254")
        #expect(order.plan.gatewayIPv6.description == "fd12:3456:789a:1::1")
        #expect(configuration.mtu == 9000)
        #expect(configuration.reactor == .epoll)
        #expect(configuration.publishOn == .loopback)
        #expect(configuration.shards == 3 && order.queues == 3)
        #expect(configuration.nameServers.map(\.description) == ["9.9.9.9:53", "[::1]:5353"])
        #expect(!configuration.hostLoopback && !configuration.host)
        #expect(configuration.udpFiltering == .addressAndPort)
        #expect(configuration.limits.udpPeers == 100)
        #expect(configuration.allow.map(\.description) == ["169.254.0.0/16"])
        #expect(configuration.deny.map(\.description) == ["10.0.0.0/8", "fd00::/8"])
        #expect(configuration.capture == CaptureOptions("c.pcapng"))
        #expect(order.statistics?.path == "s.json")
        #expect(order.interfaceName == "tap7")
    }

    @Test func `gives the guest the same ethernet address at every start`() throws {
        let first = try BridgeOrder(trialWithQueues: 1).interface().mac
        #expect(try first == BridgeOrder(trialWithQueues: 1).interface().mac)
        #expect(first.description == "52:55:c0:a8:7f:02")
        #expect(first.isLocallyAdministered && !first.isMulticast)
    }

    @Test("takes times of silence", arguments: [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3_600), ("24h", 86_400)])
    func time(text: String, seconds: Int) throws {
        let command = try ServeCommand.parse(["--listen", "qemu:/q", "--udp-timeout", text])
        #expect(command.limits.limits.udpTimeout == seconds)
    }

    @Test(
        "refuses times that make no sense",
        arguments: ["0", "", "s", "1d", "25h", "-5", "1.5m", "90 s", "99999999999999999999h"])
    func noTime(text: String) {
        #expect(throws: (any Error).self) { try ServeCommand.parse(["--listen", "qemu:/q", "--udp-timeout", text]) }
    }

    @Test("has an option for every limit in the table", arguments: Limits.table.map(\.flag))
    func limitOption(_ flag: String) throws {
        let words = ["serve", flag, flag.hasSuffix("size") ? "77M" : flag == "--max-queues" ? "7" : "777"]
        let command = try #require(try RootCommand.parseAsRoot(words) as? ServeCommand)
        #expect(try command.order.configuration.limits != Limits(), "\(flag) changed nothing")
        #expect(HelpText.limits.contains(flag))
    }

    @Test("refuses bounds that mean nothing to a guest that is alone", arguments: ["--max-guests", "--max-addresses"])
    func refuseNeighborLimit(_ flag: String) throws {
        for words in [["run", flag, "3", "true"], ["attach", "--pid", "1", flag, "3"]] {
            let message = try #require(refusal(words))
            #expect(message.contains("unknown option \"\(flag)\""), "\(message)")
        }
    }

    struct Refused: CustomTestStringConvertible, Sendable {
        let arguments: [String]
        let fault: String
        var testDescription: String { arguments.joined(separator: " ") }

        init(_ arguments: String..., fault: String) {
            self.arguments = arguments
            self.fault = fault
        }
    }

    @Test(
        "refuses a value in one line that says what would be right",
        arguments: [
            Refused("--reactor", "select", fault: "io_uring or epoll"),
            Refused("--mtu", "1279", fault: "from 1280 to 65520"),
            Refused("--mtu", "65521", fault: "from 1280 to 65520"),
            Refused("--mtu", "1500x", fault: "from 1280 to 65520"),
            Refused("--mtu", "99999999999999999999", fault: "from 1280 to 65520"),
            Refused("--shards", "0", fault: "from 1 to 64"),
            Refused("--shards", "65", fault: "from 1 to 64"),
            Refused("--shards", "2", "--queues", "3", fault: "each shard has one queue"),
            Refused("--network", "10.0.0.0/30", fault: "must be 8 to 29"),
            Refused("--network", "127.0.0.0/8", fault: "not a network that guests may have"),
            Refused("--network", "fd00::/64", fault: "must be an IPv4 network"),
            Refused("--network", "ten", fault: "not a block of addresses"),
            Refused("--ipv6-prefix", "fd00::/48", fault: "must be 64"),
            Refused("--ipv6-prefix", "fd00::1/64", fault: "last 64 bits must be zero"),
            Refused("--ipv6-prefix", "fe80::/64", fault: "not a prefix that guests may have"),
            Refused("--ipv6-prefix", "10.0.0.0/8", fault: "not an IPv6 prefix"),
            Refused("--dns", "one.one", fault: "not an address such as"),
            Refused("--dns", "1.1.1.1:0", fault: "not an address such as"),
            Refused("--allow", "10/8", fault: "not a block of addresses"),
            Refused("--deny", "10.0.0.0/33", fault: "not a block of addresses"),
            Refused("--capture", "", fault: "the file is empty"),
            Refused("--statistics", "", fault: "the file is empty"),
            Refused("--ready-fd=-1", fault: "not the number of a descriptor"),
            Refused("--ready-fd", "987654", fault: "not open"),
            Refused("--ifname", "lo", fault: "the loopback"),
            Refused("--ifname", "sixteen-letters-", fault: "1 to 15 characters"),
            Refused("--ifname", "a/b", fault: "1 to 15 characters"),
            Refused("--ifname", "tap%d", fault: "1 to 15 characters"),
            Refused("--max-flows", "0", fault: "from 64 to"),
            Refused("--pool-size", "1K", fault: "it must be from 16M to 1024G"),
            Refused("--park-size", "1K", fault: "it must be from 64K to 1G"),
            Refused("--reorder-size", "2G", fault: "it must be from 64K to 1G"),
            Refused("--max-udp-mappings", "1", fault: "from 16 to"),
            Refused("--max-udp-peers", "1", fault: "from 16 to"),
            Refused("--udp-filtering", "adress", fault: "did you mean \"address\"?"),
            Refused("--max-half-open", "1000000000", fault: "to 1000000"),
            Refused("--pool-size", "12Q", fault: "not a size such as"),
            Refused("--pool-size", "M", fault: "not a size such as"),
            Refused("--park-size", "9999999999G", fault: "more than 1024G"),
            Refused("--mtu", fault: "--mtu needs a value: --mtu <"),
        ])
    func refuses(_ example: Refused) throws {
        let message = try #require(refusal(["run"] + example.arguments + ["--", "true"]))
        #expect(message.contains(example.fault), "\(message)")
        #expect(!message.contains("\n"))
    }

    @Test(
        "reads sizes with units",
        arguments: [("1", 1), ("512K", 512 << 10), ("64m", 64 << 20), ("2G", 2 << 30), ("1024G", 1 << 40)])
    func readsSize(_ text: String, _ bytes: Int) throws {
        #expect(try OptionValue.size(text) == bytes)
    }
}

@Suite("ringway attach's command line")
struct AttachCommandLineTests {
    @Test func `names the namespace by a file or by a process`() throws {
        let byPath = try RootCommand.parseAsRoot(["attach", "--netns", "/run/netns/blue", "-p", "80:80"])
        #expect((byPath as? AttachCommand)?.origin == .path("/run/netns/blue"))
        let byProcess = try RootCommand.parseAsRoot(["attach", "--pid", "17"])
        #expect((byProcess as? AttachCommand)?.origin == .process(17))
    }

    @Test(
        "refuses what names no namespace, or two",
        arguments: [
            ["attach"], ["attach", "--netns", "a", "--pid", "1"], ["attach", "--pid", "0"], ["attach", "--netns", ""],
            ["attach", "--pid", "x"], ["attach", "--netns", "a", "COMMAND"],
        ])
    func refuses(_ arguments: [String]) throws {
        let message = try #require(refusal(arguments))
        #expect(!message.isEmpty && !message.contains("\n"))
    }
}

@Suite("The program's exit status")
struct ExitStatusTests {
    @Test(
        "is 2 for an invalid command line",
        arguments: [
            [], ["frobnicate"], ["publish"], ["publish", "ad"], ["help", "frobnicate"], ["run"],
            ["run", "--mtu", "1", "true"], ["attach"], ["doctor", "--bogus"], ["--bogus"],
        ])
    func usage(_ arguments: [String]) {
        #expect(CommandLineEntry.status(of: arguments) == 2)
    }

    @Test("is 0 for help and version", arguments: [["--help"], ["run", "--help"], ["run", "-h"], ["--version"]])
    func help(_ arguments: [String]) {
        #expect(CommandLineEntry.status(of: arguments) == 0)
    }

    @Test func `is 0 for the help of commands of commands`() {
        #expect(CommandLineEntry.status(of: ["help", "publish", "add"]) == 0)
        #expect(CommandLineEntry.status(of: ["publish", "--help"]) == 0)
    }

    @Test func `leaves one line of a message that has several`() {
        #expect(CommandLineEntry.singleLine("one\n  two\n\nthree\n") == "one two three")
    }
}
