internal import Ringway

/// The metrics of a network in Prometheus' format.
enum MetricsText {
    /// The network's identity, uptime, forwards and counters, the counters of each guest with its name and MAC
    /// address as labels, and the process's resource usage.
    static func text(of controlled: ControlledNetwork) -> [UInt8] {
        let network = controlled.network
        let identity = controlled.identity
        var page = MetricsPage()
        page.family(
            "ringway_build_info", .gauge, "The version of Ringway that keeps the network.",
            [MetricsPage.Sample(1, [("version", identity.version)])])
        page.family(
            "ringway_network_info", .gauge, "The network's name, the command that keeps it, and its addresses.",
            [
                MetricsPage.Sample(
                    1,
                    [
                        ("name", identity.name), ("kind", identity.kind.rawValue),
                        ("ipv4", "\(network.configuration.ipv4Network)"), ("ipv6", "\(network.plan.ipv6Prefix)/64"),
                    ])
            ])
        page.family("ringway_uptime_seconds", .gauge, "Time since the network was started.", identity.uptime)
        let (ports, places) = (network.publishedPorts, network.agentPlaces)
        page.family(
            "ringway_forwards", .gauge, "Published ranges of ports and places of agents, by what asked for them.",
            forwards(ports, places))
        page.family(
            "ringway_published_ports", .gauge, "Ports of the host that are published.",
            ports.reduce(places.count) { $0 + $1.forward.hostPorts.count })
        let total = network.statistics()
        for (counter, value) in total.counters {
            let name = MetricName(of: counter, isGauge: total.gauges.contains(counter))
            page.family("ringway_" + name.text, name.kind, MetricHelp.text(of: counter), value)
        }
        addGuests(network, to: &page)
        ProcessUsage.now.add(to: &page)
        return Array(page.text.utf8)
    }

    /// The number of forwards of each kind in each state, also where it is zero.
    private static func forwards(_ ports: [PublishedPort], _ places: [AgentPlace]) -> [MetricsPage.Sample] {
        var counts: [String: Int] = [:]
        for port in ports { counts["port \(port.state)", default: 0] += 1 }
        for place in places { counts["\(place.kind.rawValue) \(place.state.rawValue)", default: 0] += 1 }
        return (["port"] + AgentPlace.Kind.allCases.map(\.rawValue)).flatMap { kind in
            AgentPlace.State.allCases.map { state in
                MetricsPage.Sample(
                    counts["\(kind) \(state.rawValue)"] ?? 0, [("kind", kind), ("state", state.rawValue)])
            }
        }
    }

    private static func addGuests(_ network: VirtualNetwork, to page: inout MetricsPage) {
        let guests = network.guests.compactMap { guest in network.statistics(of: guest.id).map { (guest, $0) } }
        guard let first = guests.first?.1 else { return }
        for index in first.counters.indices {
            // Every guest has the same counters in the same order.
            let counter = first.counters[index].name
            let name = MetricName(of: counter, isGauge: first.gauges.contains(counter))
            page.family(
                "ringway_guest_" + name.text, name.kind, "By guest: \(MetricHelp.text(of: counter))",
                guests.map { guest, statistics in
                    MetricsPage.Sample(
                        statistics.counters[index].value, [("guest", guest.name), ("mac", "\(guest.mac)")])
                })
        }
    }
}

/// A counter's name in Prometheus' convention: words joined by underscores, then the unit, then `_total` if the value
/// never falls.
struct MetricName: Equatable {
    let text: String
    let kind: MetricsPage.Kind

    /// Converts a counter's name.
    ///
    /// - Parameters:
    ///   - counter: the name in statistics.
    ///   - isGauge: whether the value may fall.
    init(of counter: String, isGauge: Bool) {
        var words = Self.snakeCase(Self.renamed[counter] ?? counter).split(separator: "_")
        if let unit = words.firstIndex(of: "octets") {
            words.remove(at: unit)
            words.append("bytes")
        }
        text = words.joined(separator: "_") + (isGauge ? "" : "_total")
        kind = isGauge ? .gauge : .counter
    }

    /// The names that are converted in place of these counters' own. Otherwise `dns.queries` would get the metric name
    /// of `dnsQueries`, and the name of `tcpWindowCommitted` would lack the unit.
    private static let renamed = [
        "dns.queries": "dns.resolverQueries", "tcpWindowCommitted": "tcpWindowCommittedOctets",
    ]

    /// Converts `framesFromGuest` to `frames_from_guest`, and `refused.badTCPOptions` to `refused_bad_tcp_options`.
    static func snakeCase(_ key: String) -> String {
        let letters = Array(key)
        var text = ""
        for (index, letter) in letters.enumerated() {
            guard letter != "." else {
                text += "_"
                continue
            }
            if letter.isUppercase, index > 0, letters[index - 1] != "." {
                let endsAcronym = index + 1 < letters.count && letters[index + 1].isLowercase
                if !letters[index - 1].isUppercase || endsAcronym { text += "_" }
            }
            text += letter.lowercased()
        }
        return text
    }
}
