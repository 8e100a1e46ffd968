internal import Ringway

/// The error response to a request.
struct ControlFailure: Error, Equatable {
    /// The HTTP status.
    let status: Int
    /// The error code, for programs.
    let code: String
    let message: String
    /// The key of the body or query that is invalid, unknown or missing, if that is the reason.
    var key: String?
    /// The methods that the path allows, if the request uses another one; otherwise empty.
    var allowed: [String] = []

    static func invalid(_ message: String, key: String? = nil) -> ControlFailure {
        ControlFailure(status: 400, code: "invalid", message: message, key: key?.isEmpty == true ? nil : key)
    }

    static func notFound(_ message: String) -> ControlFailure {
        ControlFailure(status: 404, code: "not-found", message: message)
    }

    static func tooLarge(_ limit: Int) -> ControlFailure {
        ControlFailure(status: 413, code: "too-large", message: "a body has at the most \(limit) bytes")
    }

    static func method(_ method: String, allowed: [String]) -> ControlFailure {
        ControlFailure(
            status: 405, code: "method-not-allowed",
            message: "\(method) is not allowed here; \(allowed.joined(separator: ", ")) is", allowed: allowed)
    }

    /// The response to a request that the network refused.
    init(_ failure: VirtualNetwork.Failure) {
        let answer: (status: Int, code: String) =
            switch failure.kind {
            case .invalid: (400, "invalid")
            case .notFound: (404, "not-found")
            case .portInUse: (409, "port-in-use")
            case .pathInUse: (409, "path-in-use")
            case .notPermitted: (403, "not-permitted")
            case .addressMissing: (409, "address-missing")
            case .exhausted: (409, "exhausted")
            case .exists: (409, "exists")
            case .other: (409, "refused")
            }
        self.init(status: answer.status, code: answer.code, message: failure.description)
    }

    init(status: Int, code: String, message: String, key: String? = nil, allowed: [String] = []) {
        self.status = status
        self.code = code
        self.message = message
        self.key = key
        self.allowed = allowed
    }

    /// The body of the response, in the common format of all errors.
    var body: [UInt8] {
        JSONWriter.text { writer in
            writer.object { writer in
                writer.member("error") { writer in
                    writer.member("code", code)
                    writer.member("message", message)
                    writer.member("key", key)
                }
            }
        }
    }
}
