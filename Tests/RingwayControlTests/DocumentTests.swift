import Ringway
import Testing

@testable import RingwayControl

/// The OpenAPI document, compared with the API itself.
@Suite("The OpenAPI document", .enabled(if: ControlledBench.isPossible))
struct DocumentTests {
    private let document: JSONValue

    init() throws { document = try JSONReader.read(OpenAPIDocument.text) }

    @Test func `has every route, and no other`() throws {
        let bench = try ControlledBench()
        let routes = bench.controlled.router.routes.map { "\($0.method) \($0.path)" }
        var described: [String] = []
        guard case .object(let paths)? = document["paths"] else {
            Issue.record("no paths")
            return
        }
        for path in paths {
            guard case .object(let methods) = path.value else { continue }
            described += methods.map { "\($0.key.uppercased()) \(path.key)" }
        }
        #expect(routes.sorted() == described.sorted())
    }

    @Test func `refers to nothing that it does not have`() {
        var missing: [String] = []
        func look(_ value: JSONValue) {
            switch value {
            case .object(let members):
                for member in members {
                    if member.key == "$ref", let place = member.value.text, !has(place) { missing.append(place) }
                    look(member.value)
                }
            case .array(let elements): for element in elements { look(element) }
            default: break
            }
        }
        look(document)
        #expect(missing.isEmpty)
    }

    private func has(_ place: String) -> Bool {
        var value: JSONValue? = document
        for part in place.split(separator: "/").dropFirst() { value = value?[String(part)] }
        return value != nil
    }
}
