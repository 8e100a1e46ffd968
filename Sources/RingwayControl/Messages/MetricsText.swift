internal import Ringway

/// The counters as Prometheus reads them.
enum MetricsText {
    /// The counters of the network, and those of each guest with its name as a label.
    static func text(of controlled: ControlledNetwork) -> [UInt8] {
        let network = controlled.network
        let total = network.statistics()
        let ports = network.publishedPorts
        var text = ""
        family(&text, "ringway_build_info", "gauge", [("{version=\"\(escape(controlled.identity.version))\"}", 1)])
        family(&text, "ringway_uptime_seconds", "gauge", [("", controlled.identity.uptime)])
        let places = network.agentPlaces
        family(&text, "ringway_forwards", "gauge", forwards(ports, places))
        family(
            &text, "ringway_published_ports", "gauge",
            [("", ports.reduce(places.count) { $0 + $1.forward.hostPorts.count })])
        for (key, value) in total.counters {
            let (name, type) = metric(key, in: total)
            family(&text, "ringway_" + name, type, [("", value)])
        }
        let guests = network.guests.compactMap { guest in network.statistics(of: guest.id).map { (guest, $0) } }
        guard let first = guests.first else { return Array(text.utf8) }
        for index in first.1.counters.indices {
            // Every guest has the same counters in the same order.
            let (name, type) = metric(first.1.counters[index].name, in: first.1)
            family(
                &text, "ringway_guest_" + name, type,
                guests.map { guest, statistics in
                    ("{guest=\"\(escape(guest.name))\",mac=\"\(guest.mac)\"}", statistics.counters[index].value)
                })
        }
        return Array(text.utf8)
    }

    /// How many forwards there are, by whom they were asked for and how they stand; those of which there are none too.
    private static func forwards(
        _ ports: [PublishedPort], _ places: [AgentPlace]
    ) -> [(labels: String, value: Int)] {
        var counts: [String: Int] = [:]
        for port in ports { counts["port \(port.state)", default: 0] += 1 }
        for place in places { counts["\(place.kind.rawValue) \(place.state.rawValue)", default: 0] += 1 }
        return (["port"] + AgentPlace.Kind.allCases.map(\.rawValue)).flatMap { kind in
            AgentPlace.State.allCases.map { state in
                ("{kind=\"\(kind)\",state=\"\(state.rawValue)\"}", counts["\(kind) \(state.rawValue)"] ?? 0)
            }
        }
    }

    private static func family(
        _ text: inout String, _ name: String, _ type: String, _ samples: [(labels: String, value: Int)]
    ) {
        text += "# TYPE \(name) \(type)\n"
        for (labels, value) in samples { text += "\(name)\(labels) \(value)\n" }
    }

    private static func metric(_ key: String, in statistics: Statistics) -> (String, type: String) {
        statistics.gauges.contains(key) ? (snakeCase(key), "gauge") : (snakeCase(key) + "_total", "counter")
    }

    /// `framesFromGuest` as `frames_from_guest`, and `refused.badTCPOptions` as `refused_bad_tcp_options`.
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

    private static func escape(_ label: String) -> String {
        label.map { letter in
            switch letter {
            case "\\": "\\\\"
            case "\"": "\\\""
            case "\n": "\\n"
            default: String(letter)
            }
        }.joined()
    }
}
