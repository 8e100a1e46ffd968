import RingwayUsage
import Testing

@Suite("What was probably meant")
struct SuggestionTests {
    private static let options = ["--publish", "--publish-on", "--listen", "--mtu", "--dns", "--name", "--no-control"]

    @Test(
        "is the word that is fewest edits away",
        arguments: [
            ("--publsh", "--publish"), ("--pubilsh", "--publish"), ("--Publish", "--publish"), ("--listn", "--listen"),
            ("--lisetn", "--listen"), ("--mtuu", "--mtu"), ("--publishon", "--publish-on"),
            ("--no-cntrol", "--no-control"),
        ])
    func nearest(_ word: String, _ meant: String) {
        #expect(Suggestion.nearest(to: word, among: Self.options) == meant)
        #expect(Suggestion.question(word, among: Self.options) == "; did you mean \"\(meant)\"?")
    }

    @Test("is empty where no word is close", arguments: ["", "--frobnicate", "--x", "8080:80", "zz"])
    func noneIsClose(_ word: String) {
        #expect(Suggestion.nearest(to: word, among: Self.options) == nil)
        #expect(Suggestion.question(word, among: Self.options) == "")
    }

    @Test func `does not suggest another short word`() {
        #expect(Suggestion.nearest(to: "ls", among: ["add", "rm", "sync"]) == nil)
        #expect(Suggestion.nearest(to: "rn", among: ["run", "serve"]) == "run")
    }

    @Test func `is the only word with this prefix`() {
        #expect(Suggestion.nearest(to: "stat", among: ["statistics", "listen"]) == "statistics")
        #expect(Suggestion.nearest(to: "stat", among: ["statistics", "statements"]) == nil)
    }

    @Test func `is found among words of other scripts and not sought for very long ones`() {
        #expect(Suggestion.nearest(to: "größe", among: ["grösse", "größer"]) == "größer")
        #expect(Suggestion.nearest(to: String(repeating: "x", count: 100_000), among: ["xx"]) == nil)
    }
}
