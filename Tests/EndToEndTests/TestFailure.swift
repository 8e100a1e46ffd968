/// Why a test failed in its preparations.
struct TestFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Waits until the condition holds.
func waitUntil(_ what: String, within limit: Duration = .seconds(20), _ condition: () throws -> Bool) throws {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while try !condition() {
        guard clock.now < deadline else { throw TestFailure("\(what): not within \(limit)") }
        pause()
    }
}
