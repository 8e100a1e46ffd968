internal import RingwayResolver

/// A network's counters at one moment. Gauges fall, everything else only rises.
public struct Statistics: Sendable {
    /// Every counter by name; those of the name service begin with `dns.`.
    public let counters: [(name: String, value: Int)]

    init(data: [(name: String, value: Int)], names: Resolver.Statistics) {
        var rows = data
        for child in Mirror(reflecting: names).children {
            if let label = child.label, let value = child.value as? UInt64 {
                rows.append(("dns." + label, Int(truncatingIfNeeded: value)))
            }
        }
        counters = rows
    }

    /// The value of one counter, zero when there is none of that name.
    public subscript(name: String) -> Int { counters.first { $0.name == name }?.value ?? 0 }

    /// One JSON object, a member for each counter.
    public var json: String {
        "{" + counters.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}"
    }
}
