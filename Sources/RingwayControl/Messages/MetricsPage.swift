/// A page of metrics in Prometheus' text format (version 0.0.4): each family once, with its help, its type and all of
/// its samples.
struct MetricsPage {
    enum Kind: String {
        case counter, gauge
    }

    /// One value of a family, and the labels that distinguish it from the family's other values.
    struct Sample {
        var labels: [(name: String, value: String)] = []
        let value: String

        init(_ value: some BinaryInteger, _ labels: [(name: String, value: String)] = []) {
            self.value = "\(value)"
            self.labels = labels
        }

        init(_ value: Double) { self.value = "\(value)" }
    }

    private(set) var text = ""
    private var names: Set<String> = []

    /// Writes a family, unless the page has one of that name already: a duplicate would make the page invalid.
    mutating func family(_ name: String, _ kind: Kind, _ help: String, _ samples: [Sample]) {
        guard names.insert(name).inserted else { return assertionFailure("two metrics are called \(name)") }
        text += "# HELP \(name) \(Self.escape(help))\n# TYPE \(name) \(kind.rawValue)\n"
        for sample in samples {
            let labels = sample.labels.map { "\($0.name)=\"\(Self.escape($0.value, quotes: true))\"" }
            text += name + (labels.isEmpty ? "" : "{\(labels.joined(separator: ","))}") + " \(sample.value)\n"
        }
    }

    mutating func family(_ name: String, _ kind: Kind, _ help: String, _ value: some BinaryInteger) {
        family(name, kind, help, [Sample(value)])
    }

    private static func escape(_ text: String, quotes: Bool = false) -> String {
        text.map { letter in
            switch letter {
            case "\\": "\\\\"
            case "\n": "\\n"
            case "\"" where quotes: "\\\""
            default: String(letter)
            }
        }.joined()
    }
}
