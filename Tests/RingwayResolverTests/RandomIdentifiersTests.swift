import Testing

@testable import RingwayResolver

@Suite("Random identifiers")
struct RandomIdentifiersTests {
    @Test("Identifiers differ from one to the next, and from those of another source")
    func differ() {
        let (one, other) = (RandomIdentifiers(), RandomIdentifiers())
        let first = (0..<1_000).map { _ in one.next() }
        let second = (0..<1_000).map { _ in other.next() }
        // Of 1,000 identifiers of 16 bits some seven are alike by chance.
        #expect(Set(first).count > 900)
        #expect(zip(first, second).count { $0 == $1 } < 10)
    }
}
