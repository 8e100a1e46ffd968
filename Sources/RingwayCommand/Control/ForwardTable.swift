internal import Ringway
internal import RingwayControl

/// Published ports as a table of text. Ports that an agent has published one by one, as Docker's proxy does with a range,
/// are one row where they follow each other.
enum ForwardTable {
    /// The table, its head first.
    static func lines(_ forwards: [JSONValue]) -> [String] {
        var rows: [Row] = []
        // Where a row is that ends just before a port: a range comes with its two families in turn.
        var open: [Run: Int] = [:]
        for forward in forwards {
            guard let run = Run(forward) else {
                rows.append(Row(forward))
                continue
            }
            if let index = open.removeValue(forKey: run) {
                rows[index].count += 1
                open[run.next] = index
            } else {
                open[run.next] = rows.count
                rows.append(Row(forward))
            }
        }
        return TextTable.lines([["ID", "PORTS", "STATE", "OWNER", ""]] + rows.map(\.cells))
    }

    /// What two ports have in common that stand in one row, and which ports would come next.
    private struct Run: Hashable {
        let owner: String
        let state: String
        let transport: String
        let host: String
        let guest: String
        var hostPort: Int
        var guestPort: Int

        /// `nil` for what stands alone.
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
            self.hostPort = hostPort
            self.guestPort = guestPort
        }

        var next: Run {
            var next = self
            next.hostPort += 1
            next.guestPort += 1
            return next
        }
    }

    private struct Row {
        let first: JSONValue
        var count = 1

        init(_ first: JSONValue) { self.first = first }

        var cells: [String] {
            let number = first["id"]?.int ?? 0
            let owner = first["owner"]?.text ?? ""
            return [
                "\(number)", ports, first["state"]?.text ?? "", owner.isEmpty ? "-" : owner,
                first["problem"]?.text ?? "",
            ]
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
