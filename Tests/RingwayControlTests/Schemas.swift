@testable import RingwayControl

/// The schemas of the API's document, and a validator for the part of JSON Schema that the document uses.
final class Schemas {
    let document: JSONValue
    /// The properties that had a value so far, as `Schema.property`.
    private(set) var met: Set<String> = []

    init() throws { document = try JSONReader.read(OpenAPIDocument.text) }

    /// A schema by its name.
    subscript(_ name: String) -> JSONValue? { document["components"]?["schemas"]?[name] }

    /// The names of the properties of a schema.
    func properties(of name: String) -> [String] { self[name]?["properties"]?.members.map(\.key) ?? [] }

    /// The description of an operation.
    func operation(_ method: String, _ path: String) -> JSONValue? {
        document["paths"]?[path]?[method.lowercased()]
    }

    /// The name of the schema of an operation's response; `nil` for a response without one.
    func response(_ method: String, _ path: String, status: Int) -> String? {
        var response = operation(method, path)?["responses"]?["\(status)"]
        if let place = response?["$ref"]?.text {
            response = document["components"]?["responses"]?[Self.name(place)]
        }
        return Self.reference(response)
    }

    /// The name of the schema of an operation's body.
    func request(_ method: String, _ path: String) -> String? {
        Self.reference(operation(method, path)?["requestBody"])
    }

    private static func reference(_ message: JSONValue?) -> String? {
        message?["content"]?["application/json"]?["schema"]?["$ref"]?.text.map(name)
    }

    private static func name(_ place: String) -> String { place.split(separator: "/").last.map(String.init) ?? "" }

    // MARK: Validation

    /// The differences between a value and a schema.
    func complaints(_ value: JSONValue, _ name: String) -> [String] {
        guard let schema = self[name] else { return ["there is no schema \(name)"] }
        return complaints(value, schema, name)
    }

    private func complaints(_ value: JSONValue, _ schema: JSONValue, _ path: String) -> [String] {
        if let place = schema["$ref"]?.text { return complaints(value, Self.name(place)) }
        if value == .null { return schema["nullable"] == .bool(true) ? [] : ["\(path) is null"] }
        var found: [String] = []
        if case .array(let allowed)? = schema["enum"], !allowed.contains(value) {
            found.append("\(path) is \(value), none of \(allowed)")
        }
        switch (schema["type"]?.text, value) {
        case ("string", .string), ("boolean", .bool): break
        case ("integer", .integer(let number)):
            if let least = schema["minimum"]?.int, number < least { found.append("\(path) is \(number)") }
            if let most = schema["maximum"]?.int, number > most { found.append("\(path) is \(number)") }
        case ("array", .array(let elements)):
            guard let items = schema["items"] else { return found + ["\(path) has no items"] }
            for element in elements { found += complaints(element, items, path) }
        case ("object", .object(let members)): found += complaints(members, schema, path)
        default: found.append("\(path) is \(value.kind), not of type \(schema["type"]?.text ?? "?")")
        }
        return found
    }

    private func complaints(_ members: [JSONValue.Member], _ schema: JSONValue, _ path: String) -> [String] {
        var found: [String] = []
        for key in schema["required"]?.elements ?? [] {
            guard let key = key.text, !members.contains(where: { $0.key == key }) else { continue }
            found.append("\(path).\(key) is missing")
        }
        for member in members {
            let place = "\(path).\(member.key)"
            if let property = schema["properties"]?[member.key] {
                if member.value != .null { met.insert(place) }
                found += complaints(member.value, property, place)
            } else if schema["additionalProperties"] == .bool(false) {
                found.append("\(place) is not described")
            } else if let other = schema["additionalProperties"] {
                found += complaints(member.value, other, place)
            }
        }
        return found
    }
}

extension JSONValue {
    /// The members of an object; none for anything else.
    var members: [Member] {
        if case .object(let members) = self { return members }
        return []
    }
}
