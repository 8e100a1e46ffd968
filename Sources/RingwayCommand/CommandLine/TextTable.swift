/// Formats rows of text in columns, each as wide as its widest cell. The cells of the last column are not padded, and
/// may have several lines.
enum TextTable {
    static func lines(_ rows: [[String]]) -> [String] {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            rows.map { column < $0.count - 1 ? $0[column].count : 0 }.max() ?? 0
        }
        let indentation = String(repeating: " ", count: widths.dropLast().reduce(0) { $0 + $1 + 2 })
        return rows.flatMap { row -> [String] in
            var line = ""
            for (column, cell) in row.dropLast().enumerated() {
                line += cell + String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            let last = (row.last ?? "").split(separator: "\n", omittingEmptySubsequences: false)
            return ["\(line)\(last[0])"] + last.dropFirst().map { "\(indentation)\($0)" }
        }
    }
}
