internal import Ringway
internal import RingwayControl

/// Published ports as a text table. Consecutive ports that an agent requested one by one, as Docker's proxy does for a
/// range, share one row.
enum ForwardTable {
    /// The table, with its header.
    static func lines(_ forwards: [JSONValue]) -> [String] {
        var rows: [Row] = []
        var runs: [Run: [(port: Int, forward: JSONValue)]] = [:]
        for forward in forwards {
            if let run = Run(forward), let port = forward["hostPort"]?.int {
                runs[run, default: []].append((port, forward))
            } else {
                rows.append(Row(forward))
            }
        }
        for ports in runs.values {
            var last: Int?
            for (port, forward) in ports.sorted(by: { $0.port < $1.port }) {
                if let last, port == last + 1 { rows[rows.count - 1].add(forward) } else { rows.append(Row(forward)) }
                last = port
            }
        }
        rows.sort { $0.number < $1.number }
        return TextTable.lines([["ID", "PORTS", "STATE", "OWNER", ""]] + rows.map(\.cells))
    }

    /// The key of a row. Forwards of consecutive host ports share a row if their keys are equal.
    private struct Run: Hashable {
        let owner: String
        let state: String
        let transport: String
        let host: String
        let guest: String
        /// The difference between the guest's port and the host's.
        let distance: Int

        /// `nil` for a forward that never shares a row: it failed, or no agent requested it.
        init?(_ forward: JSONValue) {
            guard forward["kind"]?.text == "agent", forward["problem"]?.text == nil,
                let hostPort = forward["hostPort"]?.int, let guestPort = forward["guestPort"]?.int,
                let target = forward["target"]?.text, let colon = target.lastIndex(of: ":")
            else { return nil }
            owner = forward["owner"]?.text ?? ""
            state = forward["state"]?.text ?? ""
            transport = forward["transport"]?.text ?? ""
            host = forward["hostAddress"]?.text ?? ""
            guest = String(target[..<colon])
            distance = guestPort - hostPort
        }
    }

    private struct Row {
        let first: JSONValue
        private var count = 1
        /// The lowest number (`id`) of the forwards in the row.
        private(set) var number: Int

        init(_ first: JSONValue) {
            self.first = first
            number = first["id"]?.int ?? 0
        }

        /// Adds the next port.
        mutating func add(_ forward: JSONValue) {
            count += 1
            number = min(number, forward["id"]?.int ?? number)
        }

        var cells: [String] {
            let owner = first["owner"]?.text ?? ""
            return [
                "\(number)", ports, first["state"]?.text ?? "", owner.isEmpty ? "-" : owner,
                first["problem"]?.text ?? waiting,
            ]
        }

        /// A text about the guest for which the forward waits; empty if it does not wait.
        private var waiting: String {
            guard first["state"]?.text == "waiting" else { return "" }
            return first["guest"]?.text.map { "waits for guest \($0)" } ?? "waits for a guest"
        }

        private var ports: String {
            let text = ForwardText.text(first)
            guard count > 1, let hostPort = first["hostPort"]?.int, let guestPort = first["guestPort"]?.int,
                let sign = text.firstIndex(of: "=")
            else { return text }
            return "\(text[..<sign])-\(hostPort + count - 1)\(text[sign...])-\(guestPort + count - 1)"
        }
    }
}
