/// One operation of the API.
struct Route: Sendable {
    let method: String
    /// The path with a name in braces for each variable part, as in the OpenAPI document.
    let path: String
    let answer: @Sendable (ControlRequest) throws(ControlFailure) -> ControlResponse

    init(
        _ method: String, _ path: String,
        _ answer: @escaping @Sendable (ControlRequest) throws(ControlFailure) -> ControlResponse
    ) {
        self.method = method
        self.path = path
        self.answer = answer
    }

    /// The values that a request's path has for the names in braces, by name; `nil` if the path does not match.
    fileprivate func match(_ other: String) -> [String: String]? {
        let own = path.split(separator: "/", omittingEmptySubsequences: false)
        let parts = other.split(separator: "/", omittingEmptySubsequences: false)
        guard own.count == parts.count else { return nil }
        var parameters: [String: String] = [:]
        for (pattern, part) in zip(own, parts) {
            if pattern.hasPrefix("{") {
                guard !part.isEmpty else { return nil }
                parameters[String(pattern.dropFirst().dropLast())] = String(part)
            } else if pattern != part {
                return nil
            }
        }
        return parameters
    }
}

/// Finds the route of a request and calls it.
struct Router: Sendable {
    let routes: [Route]

    func answer(_ request: ControlRequest) throws(ControlFailure) -> ControlResponse {
        var methods: [String] = []
        for route in routes {
            guard let parameters = route.match(request.path) else { continue }
            if route.method == request.method {
                var request = request
                request.parameters = parameters
                return try route.answer(request)
            }
            methods.append(route.method)
        }
        guard methods.isEmpty else { throw ControlFailure.method(request.method, allowed: methods) }
        throw ControlFailure.notFound("there is no \"\(request.path)\"; /openapi.json says what there is")
    }
}
