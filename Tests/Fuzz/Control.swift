@testable import Ringway
@testable import RingwayControl

/// A request at the control socket, before it is executed: method, target and body.
func fuzzControlRequests(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    let method = methods[Int(input.byte()) % methods.count]
    let target = text(of: input.take(Int(input.byte())))
    let body = input.rest()
    do throws(ControlFailure) {
        let request = try ControlRequest(method: method, target: target, body: body)
        _ = try router.answer(request)
    } catch {
        precondition((400...499).contains(error.status) && !error.message.isEmpty)
        // Every refusal must be valid JSON.
        guard (try? JSONReader.read(error.body)) != nil else { preconditionFailure("\(error.message): no JSON") }
    }
}

/// Routes that parse their requests.
private let router = Router(routes: [
    Route("GET", "/v1/flows") { (request) throws(ControlFailure) in
        try request.expectQuery(["limit", "cursor"])
        _ = try request.integer("limit", in: 1...10_000)
        return .empty
    },
    Route("DELETE", "/v1/forwards/{id}") { (request) throws(ControlFailure) in
        _ = try request.number("id")
        return .empty
    },
    Route("POST", "/v1/forwards") { (request) throws(ControlFailure) in
        let fields = try Fields(try request.json(), known: ForwardMessage.keys + ["owner"])
        let forward = try ForwardMessage.read(fields)
        _ = try OwnerName.read(fields)
        return .json(Array("\"\(forward)\"".utf8))
    },
    Route("PUT", "/v1/forwards") { (request) throws(ControlFailure) in
        let fields = try Fields(try request.json(), known: ["owner", "forwards"])
        for element in try fields.array("forwards", upTo: 65_536) {
            _ = try ForwardMessage.read(try Fields(element, at: "forwards", known: ForwardMessage.keys))
        }
        return .empty
    },
    Route("PUT", "/v1/{name}") { (request) throws(ControlFailure) in
        // A parsed value is written and parsed again, and must be the same.
        let value = try request.json()
        guard (try? JSONReader.read(JSONWriter.text { $0.value(value) })) == value else {
            preconditionFailure("\(value) is written otherwise")
        }
        return .empty
    },
])
