/// Reads the members of a JSON object in a request. An error contains the key.
struct Fields {
    private let members: [JSONValue.Member]
    private let path: String

    /// Throws if the value is not an object, or has a key that is not permitted.
    ///
    /// - Parameters:
    ///   - path: the object's place in the body; empty for the body itself.
    ///   - known: the permitted keys.
    init(_ value: JSONValue, at path: String = "", known: [String]) throws(ControlFailure) {
        guard case .object(let members) = value else {
            throw ControlFailure.invalid(
                "\(path.isEmpty ? "the body" : "\"\(path)\"") is \(value.kind), not an object", key: path)
        }
        self.members = members
        self.path = path
        for member in members where !known.contains(member.key) {
            throw ControlFailure.invalid(
                "there is no key \"\(name(member.key))\" here; there are \(known.joined(separator: ", "))",
                key: name(member.key))
        }
    }

    /// The key after the path of its object, such as "forwards[0].hostPort".
    func name(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func value(_ key: String) -> JSONValue? {
        let value = members.first { $0.key == key }?.value
        return value == .null ? nil : value
    }

    /// A string; `nil` when it is absent or null.
    func string(_ key: String, upTo limit: Int = 256) throws(ControlFailure) -> String? {
        guard let value = value(key) else { return nil }
        guard case .string(let text) = value else { throw wrong(key, "a string", value) }
        guard text.utf8.count <= limit else { throw refusal(key, "it has more than \(limit) bytes") }
        return text
    }

    /// An integer; `nil` when it is absent or null.
    func integer(_ key: String, in range: ClosedRange<Int>) throws(ControlFailure) -> Int? {
        guard let value = value(key) else { return nil }
        guard case .integer(let number) = value, range.contains(number) else {
            throw wrong(key, "an integer from \(range.lowerBound) to \(range.upperBound)", value)
        }
        return number
    }

    /// The elements of an array, which must be present.
    func array(_ key: String, upTo limit: Int) throws(ControlFailure) -> [JSONValue] {
        guard let value = value(key) else { throw missing(key) }
        guard case .array(let elements) = value else { throw wrong(key, "an array", value) }
        guard elements.count <= limit else { throw refusal(key, "it has more than \(limit) elements") }
        return elements
    }

    /// The failure for a required key that is missing.
    func missing(_ key: String) -> ControlFailure {
        ControlFailure.invalid("\"\(name(key))\" is missing", key: name(key))
    }

    /// A failure because of a key's value.
    func refusal(_ key: String, _ reason: String) -> ControlFailure {
        ControlFailure.invalid("\"\(name(key))\": \(reason)", key: name(key))
    }

    private func wrong(_ key: String, _ wanted: String, _ value: JSONValue) -> ControlFailure {
        let found: String
        switch value {
        case .integer(let number): found = "\(number)"
        case .number(let number): found = "\(number)"
        default: found = value.kind
        }
        return refusal(key, "it is \(found), not \(wanted)")
    }
}
