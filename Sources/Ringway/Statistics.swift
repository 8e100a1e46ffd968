internal import RingwayEngine
internal import RingwayResolver

/// A snapshot of a network's or a guest's counters. Gauges may fall; all other counters only rise.
public struct Statistics: Sendable {
    /// Every counter by name; those of the DNS service start with `dns.`.
    public let counters: [(name: String, value: Int)]

    /// The names of the gauges.
    public let gauges: Set<String>

    init(data: [Count], names: Resolver.Statistics?) {
        gauges = Set(data.filter(\.isGauge).map(\.name))
            .union(names == nil ? [] : Resolver.Statistics.gauges.map { "dns." + $0 })
        var rows = data.map { ($0.name, $0.value) }
        if let names {
            for child in Mirror(reflecting: names).children {
                if let label = child.label, let value = child.value as? UInt64 {
                    rows.append(("dns." + label, Int(truncatingIfNeeded: value)))
                }
            }
        }
        counters = rows
    }

    /// The sum over several guests, one row per name.
    ///
    /// - Parameter detached: the counters of detached guests, summed by name; they are added.
    static func sum(_ guests: [[Count]], detached: [String: Int]) -> [Count] {
        var rows = guests.first ?? Engine.counts
        for guest in guests.dropFirst() {
            // Every guest has the same counters in the same order.
            for index in rows.indices { rows[index].value += guest[index].value }
        }
        for index in rows.indices { rows[index].value += detached[rows[index].name] ?? 0 }
        return rows
    }

    /// The value of one counter; zero for an unknown name.
    public subscript(name: String) -> Int { counters.first { $0.name == name }?.value ?? 0 }

    /// One JSON object, a member for each counter.
    public var json: String {
        "{" + counters.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
    }
}
