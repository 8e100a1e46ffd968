internal import ArgumentParser
internal import Ringway

/// `limits`: the bounds, by the names of their options.
enum LimitKeys {
    private static func count(_ name: String) -> WritableKeyPath<Limits, Int>? {
        switch name {
        case "max-flows": \.flowsPerGuest
        case "max-half-open": \.halfOpenConnects
        case "max-udp-mappings": \.udpMappings
        case "max-ping-mappings": \.pingMappings
        case "max-name-queries": \.nameQueries
        case "max-fragments": \.fragments
        case "max-spliced": \.splicedConnectionsPerShard
        case "max-guests": \.guestsPerNetwork
        case "max-addresses": \.addressesPerGuest
        case "max-owners": \.forwardOwners
        default: nil
        }
    }

    private static func size(_ name: String) -> WritableKeyPath<Limits, Int>? {
        switch name {
        case "pool-size": \.poolOctetsPerShard
        case "park-size": \.parkOctetsPerFlow
        case "reorder-size": \.outOfOrderOctetsPerFlow
        default: nil
        }
    }

    /// The keys that there are.
    static var all: [String] { Limits.table.map { String($0.flag.dropFirst(2)) } }

    static func read(_ node: ConfigurationNode, into limits: inout Limits) throws(CommandFailure) {
        for (name, member) in try node.members(all) {
            if let path = count(name) {
                limits[keyPath: path] = try member.value(OptionValue.count)
            } else if let path = size(name) {
                limits[keyPath: path] = try member.value(OptionValue.size)
            }
        }
    }
}

/// `leases`: a list, each with `mac`, and `address` or `name` or both.
enum LeaseKeys {
    static func read(
        _ node: ConfigurationNode, in configuration: VirtualNetwork.Configuration
    ) throws(CommandFailure) -> [StaticLease] {
        let plan = NetworkPlan(
            ipv4: configuration.ipv4Network, ipv6Prefix: IPv6Address(high: 0xFD << 56, low: 0), mtu: 1_500)
        var leases: [StaticLease] = []
        for element in try node.elements() {
            let members = try element.members(["mac", "address", "name"])
            guard let mac = try members["mac"]?.value(OptionValue.mac) else {
                throw element.failure("no \"mac\"", "mac, and address or name")
            }
            var lease = StaticLease(mac: mac)
            if let address = members["address"] {
                lease.ipv4 = try address.value(OptionValue.guestAddress)
                if let plan, let ipv4 = lease.ipv4, !plan.isGuest(ipv4) {
                    throw address.failure("\"\(ipv4)\"", "\(plan.firstGuestIPv4) to \(plan.lastGuestIPv4)")
                }
            }
            if let name = members["name"] { lease.name = try name.value(OptionValue.guestName) }
            if leases.contains(where: { $0.mac == lease.mac }) {
                throw element.failure("\(lease.mac) a second time", "one lease for each ethernet address")
            }
            if let address = lease.ipv4, leases.contains(where: { $0.ipv4 == address }) {
                throw element.failure("\(address) a second time", "one lease for each address")
            }
            if let name = lease.name, leases.contains(where: { $0.name == name }) {
                throw element.failure("\"\(name)\" a second time", "one lease for each name")
            }
            leases.append(lease)
        }
        return leases
    }
}

/// `names`: domain names, each with an address, or one of each family.
enum NameKeys {
    static func read(_ node: ConfigurationNode) throws(CommandFailure) -> [NetworkName] {
        var names: [NetworkName] = []
        for (text, member) in try node.members() {
            guard DomainNameText.isValid(text) else {
                throw member.failure("\"\(text)\"", "a domain name such as db.example")
            }
            var name = NetworkName(text)
            for element in try member.elements() {
                let address = try element.value(OptionValue.address)
                guard address.isIPv4 ? name.ipv4 == nil : name.ipv6 == nil else {
                    throw element.failure("\"\(address)\"", "at the most one address of each family")
                }
                if address.isIPv4 { name.ipv4 = address.ipv4 } else { name.ipv6 = address.ipv6 }
            }
            names.append(name)
        }
        return names.sorted { $0.name < $1.name }
    }
}

/// Domain names as people write them (RFC 1035 §2.3.4).
enum DomainNameText {
    static func isValid(_ text: String) -> Bool {
        let name = text.hasSuffix(".") ? String(text.dropLast()) : text
        guard !name.isEmpty, name.utf8.count <= 253 else { return false }
        return name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            (1...63).contains(label.utf8.count) && label.utf8.allSatisfy { $0 > 0x20 && $0 != 0x7F }
        }
    }
}
