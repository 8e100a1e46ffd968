internal import ArgumentParser
internal import CRingway
internal import Ringway
internal import RingwayContainment
internal import RingwayTap
internal import RingwayUsage

/// Parsers of option values. Each error names the accepted values.
enum OptionValue {
    /// The guests' IPv4 network by default: `192.168.127.0/24`.
    static let standardNetwork = VirtualNetwork.Configuration().ipv4Network
    static let maximumShards = 64
    /// The most queues of a guest. Each queue has a shard of its own, so further queues would be useless.
    static let maximumQueues = maximumShards

    static func network(_ text: String) throws -> CIDRBlock {
        let block = try block(text)
        guard block.address.isIPv4 else {
            throw ValidationError("it must be an IPv4 network; --ipv6-prefix is for IPv6")
        }
        guard (8...29).contains(block.prefixLength) else {
            throw ValidationError("the prefix length must be 8 to 29")
        }
        guard plan(network: block) != nil else {
            throw ValidationError("it is not a network that guests may have, such as 192.168.127.0/24")
        }
        return block
    }

    static func ipv6Prefix(_ text: String) throws -> IPv6Address {
        guard let block = CIDRBlock(text), !block.address.isIPv4 else {
            throw ValidationError("it is not an IPv6 prefix such as fd00:1:2:3::/64")
        }
        guard !text.utf8.contains(UInt8(ascii: "/")) || block.prefixLength == 64 else {
            throw ValidationError("the prefix length must be 64")
        }
        let address = block.address.ipv6
        guard address.low == 0 else { throw ValidationError("the last 64 bits must be zero") }
        guard plan(ipv6Prefix: address) != nil else {
            throw ValidationError("it is not a prefix that guests may have, such as fd00:1:2:3::/64")
        }
        return address
    }

    static func block(_ text: String) throws -> CIDRBlock {
        guard let block = CIDRBlock(text) else {
            throw ValidationError("it is not a block of addresses such as 10.0.0.0/8 or fd00::/8")
        }
        return block
    }

    static func bindPolicy(_ text: String) throws -> BindPolicy {
        switch text {
        case "all": return .everywhere
        case "loopback": return .loopback
        default:
            var addresses: [IPAddress] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                guard let address = IPAddress(String(part)), !address.isUnspecified else {
                    throw ValidationError(
                        "it must be all, loopback, or addresses such as 192.0.2.1,::1"
                            + Suggestion.question(text, among: ["all", "loopback"]))
                }
                addresses.append(address)
            }
            return .addresses(addresses)
        }
    }

    static func agentPublishing(_ text: String) throws -> AgentPublishing {
        do throws(VirtualNetwork.Failure) {
            return try AgentPublishing(text)
        } catch {
            throw ValidationError(error.description)
        }
    }

    static func mtu(_ text: String) throws -> Int {
        try number(text, in: NetworkPlan.minimumMTU...NetworkPlan.maximumMTU)
    }

    static func shards(_ text: String) throws -> Int { try number(text, in: 1...maximumShards) }

    static func queues(_ text: String) throws -> Int { try number(text, in: 1...maximumQueues) }

    static func busyPoll(_ text: String) throws -> Int { try number(text, in: 0...1_000_000) }

    static func reactor(_ text: String) throws -> Reactor {
        guard let reactor = Reactor(rawValue: text) else {
            throw ValidationError(
                "it must be io_uring or epoll" + Suggestion.question(text, among: ["io_uring", "epoll"]))
        }
        return reactor
    }

    static func sandbox(_ text: String) throws -> Containment.Mode {
        guard let mode = Containment.Mode(rawValue: text) else {
            throw ValidationError(
                "it must be on, off or log"
                    + Suggestion.question(text, among: Containment.Mode.allCases.map(\.rawValue)))
        }
        return mode
    }

    static func udpFiltering(_ text: String) throws -> UDPFiltering {
        guard let filtering = UDPFiltering(rawValue: text) else {
            let names = UDPFiltering.allCases.map(\.rawValue)
            throw ValidationError(
                "it must be endpoint-independent, address or address-and-port" + Suggestion.question(text, among: names)
            )
        }
        return filtering
    }

    /// The parser for the value of the option that sets a limit.
    static func limit(_ flag: String) -> @Sendable (String) throws -> Int {
        let range = Limits.range(of: flag)
        guard flag.hasSuffix("-size") else { return { try number($0, in: range) } }
        return { text in
            let size = try size(text)
            guard range.contains(size) else {
                throw ValidationError("it must be from \(sizeText(range.lowerBound)) to \(sizeText(range.upperBound))")
            }
            return size
        }
    }

    private static func sizeText(_ bytes: Int) -> String {
        for (letter, shift) in [("G", 30), ("M", 20), ("K", 10)] where bytes >= 1 << shift {
            return "\(bytes >> shift)\(letter)"
        }
        return "\(bytes)"
    }

    /// Parses the address of a DNS server: an IP address, optionally with a port, which is 53 by default.
    static func nameServer(_ text: String) throws -> TransportAddress {
        if let address = IPAddress(text) { return TransportAddress(address: address, port: 53) }
        guard let server = TransportAddress(text), server.port != 0 else {
            throw ValidationError("it is not an address such as 9.9.9.9, 127.0.0.1:5353 or [::1]:5353")
        }
        return server
    }

    /// Parses a size: a number of bytes, or a number followed by K, M or G for the powers of 1024.
    static func size(_ text: String) throws -> Int {
        var digits = Substring(text)
        var unit = 1
        switch text.last {
        case "K", "k": unit = 1 << 10
        case "M", "m": unit = 1 << 20
        case "G", "g": unit = 1 << 30
        default: break
        }
        if unit > 1 { digits.removeLast() }
        guard let value = decimal(String(digits)), value > 0 else {
            throw ValidationError("it is not a size such as 1048576, 512K or 64M")
        }
        let (bytes, overflow) = value.multipliedReportingOverflow(by: unit)
        guard !overflow, bytes <= 1 << 40 else { throw ValidationError("it is more than 1024G") }
        return bytes
    }

    /// Parses a time from one second to one day: a number of seconds, or a number followed by s, m or h.
    static func seconds(_ text: String) throws -> Int {
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600]
        let unit = text.last.flatMap { units[$0] }
        guard let value = decimal(unit == nil ? text : String(text.dropLast())) else {
            throw ValidationError("it is not a time such as 90, 90s, 5m or 1h")
        }
        let seconds = unit ?? 1
        guard (1...86_400 / seconds).contains(value) else { throw ValidationError("it must be from 1s to 24h") }
        return value * seconds
    }

    static func snapLength(_ text: String) throws -> Int { try number(text, in: CaptureOptions.snapLengths) }

    static func captureFileSize(_ text: String) throws -> Int {
        let size = try size(text)
        guard size >= CaptureOptions.smallestFileSize else {
            throw ValidationError("it must be 1M at least")
        }
        return size
    }

    static func captureFileCount(_ text: String) throws -> Int {
        try number(text, in: 1...CaptureOptions.mostFiles)
    }

    static func interfaceName(_ text: String) throws -> String {
        guard TapDevice.isInterfaceName(text) else {
            throw ValidationError(
                "an interface's name has 1 to 15 characters, none of them blank, \"/\", \":\" or \"%\"")
        }
        guard text != "lo" else { throw ValidationError("\"lo\" is the loopback; use another name, such as eth0") }
        return text
    }

    static func link(_ text: String) throws -> LinkSpecification {
        do throws(VirtualNetwork.Failure) {
            return try LinkSpecification(text)
        } catch {
            throw ValidationError(error.description)
        }
    }

    /// Parses a link's address. Terms, which restrict the guests that may connect to a link, are not allowed here.
    static func bareLink(_ text: String) throws -> LinkAddress {
        let link = try link(text)
        guard link.terms == LinkTerms() else {
            throw ValidationError("terms of a link belong to --listen; write \(link.address)")
        }
        return link.address
    }

    /// Parses the permissions of a socket file in octal: 0600, 0660 or 0666.
    static func socketMode(_ text: String) throws -> UInt32 {
        guard let mode = UInt32(digits: text, radix: 8), [0o600, 0o660, 0o666].contains(mode) else {
            throw ValidationError("it must be 0600, 0660 or 0666")
        }
        return mode
    }

    static func mac(_ text: String) throws -> MACAddress {
        guard let mac = MACAddress(text), !mac.isMulticast, mac.rawValue != 0 else {
            throw ValidationError("it is not a guest's ethernet address such as 52:54:00:12:34:56")
        }
        return mac
    }

    static func guestAddress(_ text: String) throws -> IPv4Address {
        guard let address = IPv4Address(text) else {
            throw ValidationError("it is not an IPv4 address such as 192.168.127.10")
        }
        return address
    }

    static func address(_ text: String) throws -> IPAddress {
        guard let address = IPAddress(text) else {
            throw ValidationError("it is not an IP address such as 192.168.127.10 or fd00::10")
        }
        return address
    }

    static func guestName(_ text: String) throws -> String {
        guard GuestName.isValid(text) else {
            throw ValidationError(
                "a guest's name has 1 to 63 letters, digits and hyphens, and is neither of "
                    + GuestName.reserved.sorted().joined(separator: ", "))
        }
        return text.lowercased()
    }

    static func file(_ text: String) throws -> String {
        guard !text.isEmpty else { throw ValidationError("the name of the file is empty; give a path") }
        return text
    }

    static func openDescriptor(_ text: String) throws -> Int32 {
        guard let value = decimal(text), let descriptor = Int32(exactly: value) else {
            throw ValidationError("it is not the number of a descriptor, such as 3")
        }
        guard ringway_is_open(descriptor) else {
            throw ValidationError("that descriptor is not open; open it with \(text)>FILE, say")
        }
        return descriptor
    }

    private static func number(_ text: String, in range: ClosedRange<Int>) throws -> Int {
        guard let value = decimal(text), range.contains(value) else {
            throw ValidationError("it must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    /// Parses decimal digits. `nil` if there is any other character, such as a sign or a blank.
    static func decimal(_ text: String) -> Int? {
        guard text.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }) else { return nil }
        return Int(text)
    }

    private static func plan(
        network: CIDRBlock = standardNetwork, ipv6Prefix: IPv6Address = IPv6Address(high: 0xFD << 56, low: 0)
    ) -> NetworkPlan? {
        NetworkPlan(ipv4: network, ipv6Prefix: ipv6Prefix, mtu: NetworkPlan.minimumMTU)
    }

    // MARK: Control

    /// Parses the name of a network, which is also used as a file name.
    static func networkName(_ text: String) throws -> String {
        guard isName(text), text.first != "." else {
            throw ValidationError("it must have 1 to 64 letters, digits, \".\", \"_\" and \"-\", and no \".\" first")
        }
        return text
    }

    static func owner(_ text: String) throws -> String {
        guard isName(text) else {
            throw ValidationError("it must have 1 to 64 letters, digits, \".\", \"_\" and \"-\"")
        }
        return text
    }

    private static func isName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                byte &- 0x30 <= 9 || (byte | 0x20) &- 0x61 <= 25 || byte == UInt8(ascii: ".")
                    || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
            }
    }
}
