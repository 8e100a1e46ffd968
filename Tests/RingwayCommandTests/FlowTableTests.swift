import RingwayControl
import Testing

@testable import RingwayCommand

/// The table of `ringway flows`.
@Suite("The table of flows")
struct FlowTableTests {
    private static func flow(_ port: Int, up: Int, down: Int, idle: Int = 0) throws -> JSONValue {
        let text = """
            {"guest":1,"transport":"tcp","openedBy":"guest","guestAddress":"192.168.127.2:\(port)",
            "remoteAddress":"10.0.0.1:80","state":"established","spliced":false,
            "octetsFromGuest":\(up),"octetsToGuest":\(down),"idleMilliseconds":\(idle)}
            """
        return try JSONReader.read(Array(text.utf8))
    }

    private static func ports(_ table: FlowTable) -> [String] {
        table.rows.map { String(($0.flow["guestAddress"]?.text ?? "").suffix(1)) }
    }

    @Test func `has the busiest flow on top, by how fast it has become since the last look`() throws {
        var table = FlowTable()
        table.renew([try Self.flow(1, up: 5_000, down: 0), try Self.flow(2, up: 10, down: 10)], seconds: nil)
        #expect(Self.ports(table) == ["1", "2"])
        table.renew([try Self.flow(1, up: 5_000, down: 0), try Self.flow(2, up: 10, down: 4_106)], seconds: 2)
        #expect(Self.ports(table) == ["2", "1"])
        #expect(table.rows[0].downRate == 2_048)
        #expect(table.lines(limit: 1).count == 2)
        #expect(table.lines()[1].contains("2.0K"))
    }

    @Test(
        "is sorted by what is wanted, and the other way round",
        arguments: [
            (FlowTable.Order.up, ["1", "2"]), (.down, ["2", "1"]), (.idle, ["2", "1"]), (.guest, ["1", "2"]),
        ])
    func sorts(by order: FlowTable.Order, _ expected: [String]) throws {
        var table = FlowTable()
        table.order = order
        let flows = [try Self.flow(1, up: 9, down: 1, idle: 7), try Self.flow(2, up: 1, down: 5, idle: 3)]
        table.renew(flows, seconds: nil)
        #expect(Self.ports(table) == expected)
        table.isReversed = true
        table.sort()
        #expect(Self.ports(table) == expected.reversed())
    }

    @Test func `takes a flow whose counters have fallen for another one`() throws {
        var table = FlowTable()
        table.renew([try Self.flow(1, up: 5_000, down: 0)], seconds: nil)
        table.renew([try Self.flow(1, up: 100, down: 0)], seconds: 1)
        #expect(table.rows[0].upRate == 0)
    }
}
