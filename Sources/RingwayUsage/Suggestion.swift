/// Suggests a known word in place of an unknown one, for errors in command lines and configuration files.
///
/// The suggestion is the known word with the smallest edit distance among those that are close to the unknown word.
/// An edit inserts, removes or replaces one byte, or swaps two adjacent bytes (optimal string alignment). Case is
/// ignored. A known word is close if its distance is at most one edit, or at most a third of the longer word's
/// length. With a larger limit, unrelated short words would count as close. If no word is close, but exactly one
/// known word begins with the unknown word, that known word is suggested. For this the unknown word must have at
/// least three bytes.
public enum Suggestion {
    /// The known word that was probably meant; `nil` if there is no suggestion.
    public static func nearest(to word: some StringProtocol, among known: some Sequence<String>) -> String? {
        let wanted = Array(word.lowercased().utf8)
        // A longer word is not a misspelt known word, and the cost grows with the square of the length.
        guard !wanted.isEmpty, wanted.count <= longestWord else { return nil }
        var best: (word: String, distance: Int)?
        var continuations: [String] = []
        for candidate in known {
            let bytes = Array(candidate.lowercased().utf8)
            guard bytes.count <= longestWord else { continue }
            let distance = distance(wanted, bytes)
            if distance <= limit(wanted.count, bytes.count), distance < best?.distance ?? .max {
                best = (candidate, distance)
            }
            if wanted.count >= shortestPrefix, bytes.starts(with: wanted) { continuations.append(candidate) }
        }
        return best?.word ?? (continuations.count == 1 ? continuations[0] : nil)
    }

    /// The end of an error message: `; did you mean "listen"?`, or empty if there is no suggestion.
    public static func question(_ word: some StringProtocol, among known: some Sequence<String>) -> String {
        nearest(to: word, among: known).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    private static var longestWord: Int { 64 }
    private static var shortestPrefix: Int { 3 }

    /// The largest edit distance at which two words of these lengths count as close.
    private static func limit(_ first: Int, _ second: Int) -> Int { max(1, max(first, second) / 3) }

    /// The edit distance of two words, by dynamic programming. Only the last three rows of the table are kept.
    private static func distance(_ first: [UInt8], _ second: [UInt8]) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...second.count)
        for (row, byte) in first.enumerated() {
            var current = [row + 1]
            current.reserveCapacity(second.count + 1)
            for (column, other) in second.enumerated() {
                var edits = min(last[column + 1], current[column]) + 1
                edits = min(edits, last[column] + (byte == other ? 0 : 1))
                if row > 0, column > 0, byte == second[column - 1], first[row - 1] == other {
                    edits = min(edits, beforeLast[column - 1] + 1)
                }
                current.append(edits)
            }
            beforeLast = last
            last = current
        }
        return last[second.count]
    }
}
