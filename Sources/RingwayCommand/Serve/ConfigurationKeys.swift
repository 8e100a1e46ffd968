internal import ArgumentParser
internal import Ringway

/// The key `limits`, whose members have the names of the options that set limits.
enum LimitKeys {
    private static func count(_ name: String) -> WritableKeyPath<Limits, Int>? {
        switch name {
        case "max-flows": \.flowsPerGuest
        case "max-half-open": \.halfOpenConnects
        case "max-udp-mappings": \.udpMappings
        case "max-udp-peers": \.udpPeers
        case "max-ping-mappings": \.pingMappings
        case "max-name-queries": \.nameQueries
        case "max-fragments": \.fragments
        case "max-spliced": \.splicedConnectionsPerShard
        case "max-guests": \.guestsPerNetwork
        case "max-addresses": \.addressesPerGuest
        case "max-queues": \.queuesPerGuest
        case "max-owners": \.forwardOwners
        case "max-agent-ports": \.portsPerAgent
        default: nil
        }
    }

    private static func size(_ name: String) -> WritableKeyPath<Limits, Int>? {
        switch name {
        case "pool-size": \.poolBytesPerShard
        case "park-size": \.unsentBytesPerFlow
        case "reorder-size": \.outOfOrderBytesPerFlow
        default: nil
        }
    }

    private static func seconds(_ name: String) -> WritableKeyPath<Limits, Int>? {
        switch name {
        case "udp-timeout": \.udpTimeout
        case "dns-timeout": \.dnsTimeout
        case "icmp-timeout": \.icmpTimeout
        default: nil
        }
    }

    /// All keys.
    static var all: [String] { Limits.table.map { String($0.flag.dropFirst(2)) } }

    static func read(_ node: ConfigurationNode, into limits: inout Limits) throws(CommandFailure) {
        for (name, member) in try node.members(all) {
            if let path = count(name) {
                limits[keyPath: path] = try member.value(OptionValue.limit("--\(name)"))
            } else if let path = size(name) {
                limits[keyPath: path] = try member.value(OptionValue.limit("--\(name)"))
            } else if let path = seconds(name) {
                limits[keyPath: path] = try member.value(OptionValue.seconds)
            }
        }
    }
}

/// The key `leases`: a list of static leases, each with `mac`, and optionally `address`, `name` and `link`.
enum LeaseKeys {
    static func read(
        _ node: ConfigurationNode, in configuration: VirtualNetwork.Configuration
    ) throws(CommandFailure) -> [StaticLease] {
        let plan = NetworkPlan(
            ipv4: configuration.ipv4Network, ipv6Prefix: IPv6Address(high: 0xFD << 56, low: 0), mtu: 1_500)
        var leases: [StaticLease] = []
        for element in try node.elements() {
            let members = try element.members(["mac", "address", "name", "link"])
            guard let mac = try members["mac"]?.value(OptionValue.mac) else {
                throw element.failure("\"mac\" is missing; write mac, and address, name or link")
            }
            var lease = StaticLease(mac: mac)
            if let address = members["address"] {
                lease.ipv4 = try address.value(OptionValue.guestAddress)
                if let plan, let ipv4 = lease.ipv4, !plan.isGuest(ipv4) {
                    throw address.failure(
                        "\(ipv4) is no guest's address in \(configuration.ipv4Network); "
                            + "use one of \(plan.firstGuestIPv4) to \(plan.lastGuestIPv4)")
                }
            }
            if let name = members["name"] { lease.name = try name.value(OptionValue.guestName) }
            if let link = members["link"] { lease.link = try link.value(OptionValue.bareLink) }
            if leases.contains(where: { $0.mac == lease.mac }) {
                throw element.failure("\(lease.mac) has a lease already; write one lease for each ethernet address")
            }
            if let address = lease.ipv4, leases.contains(where: { $0.ipv4 == address }) {
                throw element.failure("\(address) is leased already; give each guest an address of its own")
            }
            if let name = lease.name, leases.contains(where: { $0.name == name }) {
                throw element.failure("the name \"\(name)\" is given already; give each guest a name of its own")
            }
            leases.append(lease)
        }
        return leases
    }
}

/// The key `names`: domain names, each with one IPv4 address, one IPv6 address, or both. The name `*.apps.example`
/// stands for every name below `apps.example`.
enum NameKeys {
    static func read(_ node: ConfigurationNode) throws(CommandFailure) -> [NetworkName] {
        var names: [NetworkName] = []
        var firstLines: [String: Int] = [:]
        for (text, member) in try node.members().sorted(by: { $0.value.line < $1.value.line }) {
            if let problem = DomainNameText.problem(of: text) { throw member.failure(problem) }
            if let line = firstLines.updateValue(member.line, forKey: DomainNameText.key(text)) {
                throw member.failure("this name is there twice, first in line \(line); remove one")
            }
            var name = NetworkName(text)
            for element in try member.elements() {
                let address = try element.value(OptionValue.address)
                guard address.isIPv4 ? name.ipv4 == nil : name.ipv6 == nil else {
                    throw element.failure("\(address) is a second address of its family; write one of each")
                }
                if address.isIPv4 { name.ipv4 = address.ipv4 } else { name.ipv6 = address.ipv6 }
            }
            names.append(name)
        }
        return names.sorted { $0.name < $1.name }
    }
}

/// Domain names as text (RFC 1035 §2.3.4), and patterns with a first label `*` (RFC 4592 §2.1).
enum DomainNameText {
    /// Why a text is neither a domain name nor a pattern, and the remedy; `nil` if it is valid.
    static func problem(of text: String) -> String? {
        let labels = key(text).split(separator: ".", omittingEmptySubsequences: false)
        if labels.dropFirst().contains(where: { $0.contains("*") }) || (labels[0] != "*" && labels[0].contains("*")) {
            return "\"*\" stands for whole labels in front; write *.example"
        }
        if labels == ["*"] { return "\"*\" alone would be every name; write *.example" }
        if text.utf8.contains(where: { $0 >= 0x80 }) {
            return "names are asked for in ASCII; write each label that has other letters as xn--..."
        }
        let isName = labels.allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
        }
        return isName && key(text).utf8.count <= 253 ? nil : "this is no domain name; write one such as db.example"
    }

    /// The name in lower case, without a final dot.
    static func key(_ text: String) -> String {
        let name = text.lowercased()
        return name.hasSuffix(".") ? String(name.dropLast()) : name
    }
}
