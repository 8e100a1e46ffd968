/// A parsed JSON value (RFC 8259).
public enum JSONValue: Equatable, Sendable {
    /// A member of an object.
    public struct Member: Equatable, Sendable {
        public let key: String
        public let value: JSONValue

        public init(key: String, value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    case null
    case bool(Bool)
    /// A number without fraction and exponent that `Int` can hold.
    case integer(Int)
    /// Any other number.
    case number(Double)
    case string(String)
    case array([JSONValue])
    /// The members in order, with distinct keys.
    case object([Member])

    /// The member's value, if this is an object with the key.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// The elements of an array; empty for any other value.
    public var elements: [JSONValue] {
        if case .array(let elements) = self { return elements }
        return []
    }

    /// The text of a string; `nil` for any other value.
    public var text: String? {
        if case .string(let text) = self { return text }
        return nil
    }

    /// The value of an integer; `nil` for any other value.
    public var int: Int? {
        if case .integer(let value) = self { return value }
        return nil
    }

    /// The value of a boolean; `nil` for any other value.
    public var bool: Bool? {
        if case .bool(let value) = self { return value }
        return nil
    }

    /// The type of the value, for error messages.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}
