internal import RingwayEngine
internal import RingwayResolver

/// A network's or a guest's counters at one moment. Gauges fall, everything else only rises.
public struct Statistics: Sendable {
    /// Every counter by name; those of the name service begin with `dns.`.
    public let counters: [(name: String, value: Int)]

    /// The names of those that fall too.
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

    /// The counters of several guests as one row of each name.
    static func sum(_ guests: [[Count]], detached: [String: Int]) -> [Count] {
        var rows = guests.first ?? Engine.counts
        for guest in guests.dropFirst() {
            // Every guest has the same counters in the same order.
            for index in rows.indices { rows[index].value += guest[index].value }
        }
        for index in rows.indices { rows[index].value += detached[rows[index].name] ?? 0 }
        return rows
    }

    /// The value of one counter, zero when there is none of that name.
    public subscript(name: String) -> Int { counters.first { $0.name == name }?.value ?? 0 }

    /// One JSON object, a member for each counter.
    public var json: String {
        "{" + counters.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
    }
}
