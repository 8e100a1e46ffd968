internal import Ringway

/// A request as passed to a route.
struct ControlRequest: Sendable {
    let method: String
    /// The path without its query.
    let path: String
    let query: [(name: String, value: String)]
    let body: [UInt8]
    /// The values of the variable parts of the path, by name: for the route `/v1/guests/{id}` and the path
    /// `/v1/guests/3`, the value of `id` is "3".
    var parameters: [String: String] = [:]

    /// Parses the target of a request.
    ///
    /// - Parameter target: path and query as in the request line.
    init(method: String, target: String, body: [UInt8]) throws(ControlFailure) {
        self.method = method
        self.body = body
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0])
        var query: [(name: String, value: String)] = []
        for pair in parts.count == 2 ? parts[1].split(separator: "&") : [] {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(sides[0]), let value = sides.count == 2 ? Self.decode(sides[1]) : "" else {
                throw ControlFailure.invalid("the query \"\(pair)\" is not encoded as one")
            }
            guard !query.contains(where: { $0.name == name }) else {
                throw ControlFailure.invalid("\"\(name)\" comes twice in the query", key: name)
            }
            query.append((name, value))
        }
        self.query = query
    }

    /// Undoes percent-encoding (RFC 3986 §2.1). Returns `nil` if it is invalid, or the result is not UTF-8.
    private static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(digits: Substring(rest.prefix(2)), radix: 16) else { return nil }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// The body as JSON.
    func json() throws(ControlFailure) -> JSONValue {
        guard !body.isEmpty else { throw ControlFailure.invalid("the body is missing") }
        do throws(JSONReader.Failure) {
            return try JSONReader.read(body)
        } catch {
            throw ControlFailure.invalid("the body is no JSON: \(error)")
        }
    }

    /// Refuses parameters of the query that the route does not know.
    func expectQuery(_ known: [String] = []) throws(ControlFailure) {
        for (name, _) in query where !known.contains(name) {
            throw ControlFailure.invalid("there is no parameter \"\(name)\" here", key: name)
        }
    }

    /// An integer of the query; `nil` when it is absent.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(ControlFailure) -> Int? {
        guard let text = query.first(where: { $0.name == name })?.value else { return nil }
        guard let value = Self.decimal(text), range.contains(value) else {
            throw ControlFailure.invalid(
                "\"\(name)\" is \"\(text)\", not an integer from \(range.lowerBound) to \(range.upperBound)", key: name)
        }
        return value
    }

    /// The number in the variable part of the path that has this name, such as `id` in `/v1/guests/{id}`.
    func number(_ name: String) throws(ControlFailure) -> UInt32 {
        let text = parameters[name] ?? ""
        guard let value = Self.decimal(text), let number = UInt32(exactly: value) else {
            throw ControlFailure.notFound("\"\(text)\" is no number that anything has")
        }
        return number
    }

    private static func decimal(_ text: String) -> Int? {
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 &- 0x30 <= 9 }) else { return nil }
        return Int(text)
    }
}

/// The response of a route.
enum ControlResponse: Sendable {
    case json([UInt8], status: Int = 200)
    case text([UInt8], type: String)
    case empty
    /// Events, until the client disconnects.
    case events

    /// A JSON object.
    static func object(status: Int = 200, _ members: (inout JSONWriter) -> Void) -> ControlResponse {
        .json(JSONWriter.text { $0.object(members) }, status: status)
    }
}
