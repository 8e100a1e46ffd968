import Foundation
import Testing

@testable import Ringway

@Suite("The table of limits")
struct LimitsTests {
    @Test("is in the documentation, row by row", arguments: Limits.table.map(\.flag))
    func document(flag: String) throws {
        let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let text = try String(
            contentsOf: package.appending(path: "Sources/Ringway/Ringway.docc/Bounds.md"), encoding: .utf8)
        let row = try #require(Limits.table.first { $0.flag == flag })
        func code(_ text: String) -> String { "`\(text)`" }
        let value = row.defaultValue.hasPrefix("--") ? code(row.defaultValue) : row.defaultValue
        // What is not a counter is a phrase.
        let counter =
            row.counter == "in the response"
            ? row.counter : row.counter.split(separator: ", ").map { code(String($0)) }.joined(separator: ", ")
        let line = "| \(row.name) | \(value) | \(code(flag)) | \(row.atTheBound) | \(counter) |"
        #expect(text.contains(line), "\(line)")
    }
}
