import Ringway
import Testing

@testable import RingwayControl

@Suite("Troubles", .enabled(if: ControlledBench.isPossible))
struct TroubleTests {
    @Test func `counters that are zero, or no problem, are not listed`() {
        #expect(Trouble.all(in: [("droppedPolicy", 0), ("framesFromGuest", 7)]).isEmpty)
    }

    @Test(
        "a bound that was reached names the option that raises it",
        arguments: [
            ("droppedTableFull", "--max-flows"), ("tcpHalfOpenEvicted", "--max-half-open"),
            ("udpMappingsEvicted", "--max-udp-mappings"), ("pingMappingsEvicted", "--max-ping-mappings"),
            ("dns.refusedOutstanding", "--max-name-queries"), ("splicedBeyondLimit", "--max-spliced"),
            ("linkReadsStarved", "--pool-size"), ("tcpOutOfOrderDropped", "--reorder-size"),
            ("guestsRefused", "--max-guests"),
        ])
    func bounds(_ counter: String, _ option: String) throws {
        let rows = Trouble.all(in: [(counter, 3)])
        try #require(rows.count == 1)
        #expect(rows[0].count == 3 && rows[0].trouble.kind == .bound && rows[0].trouble.option == option)
        #expect(rows[0].trouble.hint.contains(option))
    }

    @Test(
        "denials, drops and failures of names are told apart",
        arguments: [
            ("droppedPolicy", Trouble.Kind.denial), ("droppedSpoofedSource", .drop), ("dns.serverFailures", .names),
            ("refused.badTCPChecksum", .drop), ("droppedSomethingNew", .drop),
        ] as [(String, Trouble.Kind)])
    func kinds(_ counter: String, _ kind: Trouble.Kind) throws {
        let rows = Trouble.all(in: [(counter, 1)])
        try #require(rows.count == 1)
        #expect(rows[0].trouble.kind == kind && rows[0].trouble.counter == counter)
        #expect(!rows[0].trouble.what.isEmpty && !rows[0].trouble.hint.isEmpty)
    }

    @Test func `names counters that exist`() throws {
        let bench = try ControlledBench()
        let known = Set(bench.network.statistics().counters.map(\.name))
        for trouble in Trouble.table { #expect(known.contains(trouble.counter), "\(trouble.counter)") }
        #expect(Set(Trouble.table.map(\.counter)).count == Trouble.table.count)
    }

    @Test func `every bound of the table of limits that has a counter is among them`() {
        let counters = Set(Trouble.table.map(\.counter))
        // A closed window is ordinary flow control, and a timeout is not a limit; neither is reported as a problem.
        for row in Limits.table
        where !row.flag.hasSuffix("-timeout") && !["--park-size", "--max-owners"].contains(row.flag) {
            for counter in row.counter.split(separator: ",") {
                #expect(counters.contains(counter.filter { $0 != " " }), "\(row.flag)")
            }
        }
    }
}
