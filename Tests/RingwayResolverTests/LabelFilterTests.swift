import Testing

@testable import RingwayResolver

@Suite("The filter of labels")
struct LabelFilterTests {
    private static func label(_ text: String) -> ArraySlice<UInt8> { [UInt8(text.utf8.count)] + text.utf8 }

    @Test func `lets every label through that it was made from`() {
        let labels = (0..<400).map { Self.label("label\($0)") }
        let filter = LabelFilter(labels)
        for label in labels { #expect(filter.mayContain(label)) }
    }

    @Test func `stops most labels that it was not made from`() {
        let filter = LabelFilter(["internal", "arpa", "test", "home"].map(Self.label))
        let others = (0..<1_000).map { Self.label("other\($0)") }
        // Four bits of 256 let one in 64 through.
        #expect(others.count { filter.mayContain($0) } < 60)
    }

    @Test func `without labels lets none through`() {
        let filter = LabelFilter([])
        #expect(!filter.mayContain(Self.label("com")) && !filter.mayContain([]))
    }

    @Test func `with the root's empty label lets every label through`() {
        let filter = LabelFilter([[]])
        #expect(filter.mayContain(Self.label("com")) && filter.mayContain([]))
    }
}
