import Foundation
import Ringway
import Testing

@testable import RingwayControl

/// A strict parser of Prometheus' text format, which also requires help and type.
private struct PageReader {
    struct Family {
        let help: String
        let type: String
        var samples: [(labels: [String: String], value: Double)] = []
    }

    struct Fault: Error, CustomStringConvertible {
        let description: String
    }

    private(set) var families: [String: Family] = [:]

    init(_ text: String) throws {
        guard text.hasSuffix("\n") else { throw Fault(description: "the last line has no end") }
        var name = ""
        var help: String?
        for line in text.dropLast().split(separator: "\n", omittingEmptySubsequences: false) {
            if let match = line.wholeMatch(of: #/# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (\S.*)/#) {
                name = String(match.1)
                help = String(match.2)
            } else if let match = line.wholeMatch(of: #/# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge)/#) {
                guard String(match.1) == name, let text = help else { throw Fault(description: "no help: \(line)") }
                guard families[name] == nil else { throw Fault(description: "\(name) comes twice") }
                families[name] = Family(help: text, type: String(match.2))
                help = nil
            } else if let match = line.wholeMatch(
                of: #/([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.+)\})? ([-+]?[0-9.]+(?:e[-+]?[0-9]+)?)/#)
            {
                guard String(match.1) == name, families[name] != nil, let value = Double(match.3) else {
                    throw Fault(description: "a sample without its family: \(line)")
                }
                let labels = try Self.labels(match.2.map { String($0) } ?? "")
                guard families[name]?.samples.contains(where: { $0.labels == labels }) == false else {
                    throw Fault(description: "a sample comes twice: \(line)")
                }
                families[name]?.samples.append((labels, value))
            } else {
                throw Fault(description: "neither help, type nor sample: \(line)")
            }
        }
    }

    private static func labels(_ text: String) throws -> [String: String] {
        var labels: [String: String] = [:]
        var rest = text[...]
        while !rest.isEmpty {
            guard let match = rest.prefixMatch(of: #/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)/#),
                labels.updateValue(String(match.2), forKey: String(match.1)) == nil
            else { throw Fault(description: "labels: \(text)") }
            rest = rest[match.range.upperBound...]
        }
        return labels
    }
}

@Suite("Metrics", .enabled(if: ControlledBench.isPossible))
struct MetricsTests {
    private let bench: ControlledBench
    private let page: PageReader

    init() throws {
        bench = try ControlledBench()
        page = try PageReader(String(decoding: MetricsText.text(of: bench.controlled), as: UTF8.self))
    }

    @Test func `every family is there once, with help, a type, and samples that differ`() {
        // The parser has refused anything else.
        #expect(page.families.count > 150)
        for (name, family) in page.families { #expect(!family.samples.isEmpty, "\(name)") }
    }

    @Test func `counters end in total and gauges do not, and units are base units, last in the name`() {
        for (name, family) in page.families {
            #expect(name.hasSuffix("_total") == (family.type == "counter"), "\(name)")
            #expect(name.hasPrefix("ringway_") || name.hasPrefix("process_"), "\(name)")
            for unit in ["octets", "milliseconds", "nanoseconds", "kib", "percent"] {
                #expect(!name.split(separator: "_").contains(Substring(unit)), "\(name)")
            }
            if name.contains("bytes") { #expect(name.hasSuffix("_bytes") || name.hasSuffix("_bytes_total"), "\(name)") }
        }
    }

    @Test(
        "names counters as Prometheus does",
        arguments: [
            ("octetsFromGuest", false, "from_guest_bytes_total"), ("tcpParkedOctets", true, "tcp_parked_bytes"),
            ("splicedOctetsToGuest", false, "spliced_to_guest_bytes_total"), ("tcpFlows", true, "tcp_flows"),
            ("refused.badTCPOptions", false, "refused_bad_tcp_options_total"),
            ("tcpWindowCommitted", true, "tcp_window_committed_bytes"), ("dnsQueries", false, "dns_queries_total"),
            ("dns.queries", false, "dns_resolver_queries_total"), ("dns.streams", true, "dns_streams"),
        ])
    func names(_ counter: String, _ isGauge: Bool, _ name: String) {
        #expect(MetricName(of: counter, isGauge: isGauge).text == name)
    }

    @Test func `what waits in the name service falls again, and is a gauge`() {
        #expect(page.families["ringway_dns_outstanding"]?.type == "gauge")
        #expect(page.families["ringway_dns_streams"]?.type == "gauge")
    }

    @Test func `the process itself is measured`() throws {
        func value(_ name: String) throws -> Double { try #require(page.families[name]?.samples.first?.value) }
        #expect(try value("process_cpu_seconds_total") > 0)
        #expect(try value("process_resident_memory_bytes") > 1_048_576)
        #expect(try value("process_virtual_memory_bytes") >= value("process_resident_memory_bytes"))
        #expect(try value("process_open_fds") > 2 && value("process_open_fds") <= value("process_max_fds"))
        let now = Date().timeIntervalSince1970
        #expect(
            try value("process_start_time_seconds") <= now + 1 && value("process_start_time_seconds") > now - 86_400)
        #expect(page.families["ringway_build_info"]?.samples.first?.labels == ["version": "1.2.3"])
        #expect(page.families["ringway_network_info"]?.samples.first?.labels["name"] == "test")
    }

    @Test func `every counter is described`() {
        for (counter, _) in bench.network.statistics().counters {
            #expect(MetricHelp.isDescribed(counter), "\(counter) has no help")
        }
    }

    @Test func `escapes what labels and help may not have`() throws {
        var page = MetricsPage()
        page.family("a", .gauge, "back\\slash\nline", [MetricsPage.Sample(1, [("name", "q\"b\\n\n")])])
        #expect(page.text == "# HELP a back\\\\slash\\nline\n# TYPE a gauge\na{name=\"q\\\"b\\\\n\\n\"} 1\n")
        _ = try PageReader(page.text)
    }
}
