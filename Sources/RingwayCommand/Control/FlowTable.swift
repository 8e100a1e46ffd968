internal import Ringway
internal import RingwayControl

/// Flows as a text table, with sorted rows.
struct FlowTable {
    /// The sort keys.
    enum Order: String, CaseIterable {
        case up, down, total, idle, guest, remote, state
    }

    /// A flow and its rates in bytes per second.
    struct Row {
        let flow: JSONValue
        var upRate = 0
        var downRate = 0

        var up: Int { flow["octetsFromGuest"]?.int ?? 0 }
        var down: Int { flow["octetsToGuest"]?.int ?? 0 }
        var idle: Int { flow["idleMilliseconds"]?.int ?? 0 }
        /// Identifies a flow in successive lists.
        var name: String {
            ["transport", "guestAddress", "remoteAddress", "openedBy"].map { flow[$0]?.text ?? "" }
                .joined(separator: " ")
        }
    }

    private(set) var rows: [Row] = []
    var order = Order.total
    var isReversed = false

    /// Replaces the list. A flow's rates are computed from its byte counts in the previous list and in this one.
    ///
    /// - Parameter seconds: the time since the previous list; `nil` for the first.
    mutating func renew(_ flows: [JSONValue], seconds: Double?) {
        let old = Dictionary(rows.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        rows = flows.map { flow in
            var row = Row(flow: flow)
            if let seconds, seconds > 0, let before = old[row.name], row.up >= before.up, row.down >= before.down {
                row.upRate = Int(Double(row.up - before.up) / seconds)
                row.downRate = Int(Double(row.down - before.down) / seconds)
            }
            return row
        }
        sort()
    }

    /// Sorts the rows by `order`. The highest rate, the shortest idle time or the alphabetically first text is on
    /// top, or at the bottom if `isReversed`.
    mutating func sort() {
        let (order, isReversed) = (order, isReversed)
        rows.sort { first, second in
            let (a, b) = isReversed ? (second, first) : (first, second)
            switch order {
            case .up: return (a.upRate, a.up) > (b.upRate, b.up)
            case .down: return (a.downRate, a.down) > (b.downRate, b.down)
            case .total: return (a.upRate + a.downRate, a.up + a.down) > (b.upRate + b.downRate, b.up + b.down)
            case .idle: return a.idle < b.idle
            case .guest: return Self.text(a.flow, "guestAddress") < Self.text(b.flow, "guestAddress")
            case .remote: return Self.text(a.flow, "remoteAddress") < Self.text(b.flow, "remoteAddress")
            case .state: return Self.text(a.flow, "state") < Self.text(b.flow, "state")
            }
        }
    }

    private static func text(_ flow: JSONValue, _ key: String) -> String { flow[key]?.text ?? "*" }

    // MARK: Text

    /// The table, with its header.
    ///
    /// - Parameter limit: the most rows, without the header.
    func lines(limit: Int = .max) -> [String] {
        let head = ["GUEST", "PROTO", "FROM", "TO", "STATE", "IDLE", "UP/S", "DOWN/S", "UP", "DOWN", ""]
        return TextTable.lines([head] + rows.prefix(max(0, limit)).map(Self.cells))
    }

    private static func cells(_ row: Row) -> [String] {
        let (guest, remote) = (text(row.flow, "guestAddress"), text(row.flow, "remoteAddress"))
        let isFromHost = row.flow["openedBy"]?.text == "host"
        let number = row.flow["guest"]?.int ?? 0
        return [
            "\(number)", text(row.flow, "transport"), isFromHost ? remote : guest, isFromHost ? guest : remote,
            text(row.flow, "state"), time(row.idle), ByteText.text(row.upRate), ByteText.text(row.downRate),
            ByteText.text(row.up), ByteText.text(row.down), row.flow["spliced"] == .bool(true) ? "spliced" : "",
        ]
    }

    private static func time(_ milliseconds: Int) -> String {
        switch milliseconds {
        case ..<10_000: "\(milliseconds / 1_000).\(milliseconds / 100 % 10)s"
        case ..<600_000: "\(milliseconds / 1_000)s"
        case ..<36_000_000: "\(milliseconds / 60_000)m"
        default: "\(milliseconds / 3_600_000)h"
        }
    }
}
