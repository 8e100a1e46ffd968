import CRingway
import Glibc
import RingwayStack
import Testing

@testable import Ringway
@testable import RingwayControl

/// Checks the messages of the API against the schemas of its document: each key, its type, and whether it may be absent.
@Suite("The messages of the control API", .serialized, .enabled(if: ControlledBench.isPossible))
struct MessageTests {
    private let bench: ControlledBench
    private let schemas: Schemas

    init() throws {
        bench = try ControlledBench()
        schemas = try Schemas()
    }

    /// Sends a request, and checks the response against the schema that the document has for its status.
    @discardableResult
    private func ask(
        _ method: String, _ path: String, _ body: String = "", _ parameters: [String: String] = [:], status: Int = 200
    ) throws -> JSONValue {
        var target = path
        for (name, value) in parameters {
            let parts = target.split(separator: "/", omittingEmptySubsequences: false)
            target = parts.map { $0 == "{\(name)}" ? value : String($0) }.joined(separator: "/")
        }
        let response = try bench.ask(method, target, body)
        #expect(response.status == status, "\(method) \(target): \(response.body)")
        #expect(schemas.operation(method, path)?["responses"]?["\(status)"] != nil, "\(method) \(path) \(status)")
        if let name = schemas.response(method, path, status: status) {
            let complaints = schemas.complaints(response.body, name)
            #expect(complaints.isEmpty, "\(method) \(target)")
        }
        return response.body
    }

    /// Checks the output of a writer against a schema.
    private func check(_ name: String, _ write: (inout JSONWriter) -> Void) throws {
        let complaints = schemas.complaints(try JSONReader.read(JSONWriter.text(write)), name)
        #expect(complaints.isEmpty)
    }

    // MARK: Responses

    @Test func `each response has every key of its schema, of its type, and no other`() throws {
        try askForGuests()
        try askForForwards()
        try askForTheRest()
        try writeRareMessages()
        let requests: Set = ["NewForward", "WantedForward", "ForwardSet", "NewCapture", "Lease"]
        let described = (schemas.document["components"]?["schemas"]?.members ?? []).map(\.key)
        for name in described where !requests.contains(name) {
            for property in schemas.properties(of: name) {
                #expect(schemas.met.contains("\(name).\(property)"), "\(name).\(property) is written nowhere")
            }
        }
    }

    private func askForGuests() throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &ends) == 0)
        defer { close(ends[1]) }
        let guest = try bench.network.attach(
            Link(queues: [ends[0]], framing: .datagram, takesUDPSuperFrames: false),
            mac: MACAddress(rawValue: 0x5254_0012_3456))
        let id = ["id": "\(guest.id)"]
        try ask("GET", "/v1/guests")
        try ask("GET", "/v1/guests/{id}", "", id)
        try ask("GET", "/v1/flows")
        try ask("GET", "/v1/leases")
        try ask("GET", "/v1/status")
        try ask("GET", "/v1/diagnostics")
        try ask("DELETE", "/v1/guests/{id}", "", id, status: 204)
        try ask("DELETE", "/v1/guests/{id}", "", id, status: 404)
        try ask("GET", "/v1/guests/{id}", "", ["id": "x"], status: 404)
    }

    private func askForForwards() throws {
        let body = #"{"hostPort":0,"guestPort":80,"hostAddress":"127.0.0.1","guest":"web","owner":"me"}"#
        let forward = try ask("POST", "/v1/forwards", body, status: 201)
        let id = ["id": "\(try #require(forward["id"]?.int))"]
        try ask("POST", "/v1/forwards", "{}", status: 400)
        try ask("GET", "/v1/forwards")
        try ask("GET", "/v1/forwards/{id}", "", id)
        try ask("PUT", "/v1/owners/{owner}", #"{"seconds":600}"#, ["owner": "me"], status: 204)
        try ask("GET", "/v1/owners")
        try ask("DELETE", "/v1/forwards/{id}", "", id, status: 204)
        try ask("DELETE", "/v1/forwards/{id}", "", id, status: 404)
        let ports = (0..<3).map { _ in ControlledBench.freePort() }
        for set in [ports[0...1], ports[1...2]] {
            let wanted = set.map { #"{"hostPort":\#($0),"guestPort":80}"# }.joined(separator: ",")
            try ask("PUT", "/v1/forwards", #"{"forwards":[\#(wanted)]}"#)
        }
        try ask("DELETE", "/v1/owners/{owner}", "", ["owner": "api"], status: 204)
        try ask("DELETE", "/v1/owners/{owner}", "", ["owner": "api"], status: 404)
    }

    private func askForTheRest() throws {
        try ask("GET", "/v1/names")
        try ask("GET", "/openapi.json")
        try ask("GET", "/v1/capture")
        let file = "/tmp/ringway-messages-\(getpid()).pcapng"
        defer { unlink(file) }
        try ask("PUT", "/v1/capture", #"{"file":"\#(file)","fileSize":1048576}"#)
        try ask("PUT", "/v1/capture", #"{"file":"\#(file)"}"#, status: 409)
        try ask("GET", "/v1/capture")
        try ask("DELETE", "/v1/capture")
        try ask("DELETE", "/v1/capture", status: 404)
    }

    /// Messages that need a flow, an agent or a failure.
    private func writeRareMessages() throws {
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        let address = TransportAddress(address: loopback, port: 80)
        let key = FlowKey(guest: loopback, guestPort: 4_711, remote: loopback, remotePort: 443, transport: .tcp)
        for kind in [Flow.Kind.tcp, .udp, .ping] {
            let record = FlowRecord(key: key, kind: kind, hostAddress: address)
            var flow = NetworkFlow(guest: 1, record: record)
            flow.place = 7
            try check("Flow") { $0.flow(flow) }
        }
        let target = DialTarget(.unix(path: "/run/server.sock"))
        for place in [AgentForward.Place.address(address), .unix(path: "/run/client.sock")] {
            let forward = AgentForward(place, to: target, guest: .name("web"))
            let agent = AgentPlace(
                id: 3, kind: .agent, forward: forward, owner: "agent:web", guest: 1, state: .failed,
                problem: "the port is in use")
            try check("Forward") { $0.forward(agent) }
        }
        let forward = PortForward(hostAddress: nil, hostPorts: 80...80, guestPorts: 80...80, transport: .udp)
        let port = PublishedPort(
            id: 4, forward: forward, requested: forward, owner: "me", guest: 1, problem: "the port is in use")
        try check("Forward") { $0.forward(port) }
        let lease = GuestLease(
            mac: MACAddress(rawValue: 0x5254_0012_3456), ipv4: IPv4Address(192, 168, 127, 2),
            ipv6: IPv6Address(high: 0xFD00 << 48, low: 2), name: "web", isStatic: true, isPresent: false,
            link: .qemu(path: "/run/web.sock"))
        try check("AddressLease") { $0.lease(lease) }
        var options = CaptureOptions("/tmp/frames.pcapng")
        options.filter = "tcp"
        options.fileSize = 1 << 20
        let status = CaptureStatus(options: options, startedAt: 1, frames: 2, dropped: 3, problem: "no room")
        try check("Capture") { writer in writer.object { $0.members(ofCapture: status) } }
        let counters = ["droppedTableFull", "droppedSpoofedSource"].map { (name: $0, value: 1) }
        for row in Trouble.all(in: counters) { try check("Trouble") { $0.trouble(row.trouble, row.count) } }
    }

    // MARK: Requests

    struct Request: CustomTestStringConvertible, Sendable {
        let method: String
        let path: String
        /// The schema of the body, or of the object in the body that is varied.
        let schema: String
        /// The part of an error's key before the property's name.
        var prefix = ""
        /// A value for each key that is required.
        let required: [String: String]
        var testDescription: String { "\(schema) in \(method) \(path)" }

        var target: String { path.replacing("{owner}", with: "me") }

        /// A body with these members.
        func body(_ members: [String: String]) -> String {
            let text = "{\(members.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ","))}"
            return prefix.isEmpty ? text : #"{"forwards":[\#(text)]}"#
        }
    }

    static let requests = [
        Request(
            method: "POST", path: "/v1/forwards", schema: "NewForward", required: ["hostPort": "0", "guestPort": "80"]),
        Request(method: "PUT", path: "/v1/forwards", schema: "ForwardSet", required: ["forwards": "[]"]),
        Request(
            method: "PUT", path: "/v1/forwards", schema: "WantedForward", prefix: "forwards[0].",
            required: ["hostPort": "0", "guestPort": "80"]),
        Request(method: "PUT", path: "/v1/owners/{owner}", schema: "Lease", required: ["seconds": "60"]),
        Request(method: "PUT", path: "/v1/capture", schema: "NewCapture", required: ["file": "\"/nowhere/frames\""]),
    ]

    /// The key that the refusal of a request names.
    private func refusedKey(_ request: Request, _ members: [String: String]) throws -> String? {
        let response = try bench.ask(request.method, request.target, request.body(members))
        #expect(response.status == 400, "\(members)")
        return response.body["error"]?["key"]?.text
    }

    @Test(arguments: requests)
    func `a request may have the keys of its schema, and no other`(_ request: Request) throws {
        let body = request.body(request.required.merging(["stranger": "1"]) { $1 })
        let response = try bench.ask(request.method, request.target, body)
        #expect(response.body["error"]?["key"]?.text == "\(request.prefix)stranger")
        let message = try #require(response.body["error"]?["message"]?.text)
        let known = message.split(separator: "there are ").last?.split(separator: ", ").map(String.init) ?? []
        #expect(known.sorted() == schemas.properties(of: request.schema).sorted())
        if request.prefix.isEmpty {
            #expect(schemas.request(request.method, request.path) == request.schema)
        }
    }

    @Test(arguments: requests)
    func `a request must have the keys that its schema requires`(_ request: Request) throws {
        let required = schemas[request.schema]?["required"]?.elements.compactMap(\.text) ?? []
        #expect(required.sorted() == request.required.keys.sorted())
        for key in required {
            let refused = try refusedKey(request, request.required.filter { $0.key != key })
            #expect(refused == request.prefix + key)
        }
    }

    @Test(arguments: requests)
    func `the keys of a request have the types and ranges of its schema`(_ request: Request) throws {
        for property in schemas[request.schema]?["properties"]?.members ?? [] {
            var wrong = ["{}", "true"]
            switch property.value["type"]?.text {
            case "integer":
                wrong += ["\"1\"", "1.5"]
                if let least = property.value["minimum"]?.int { wrong.append("\(least - 1)") }
                if let most = property.value["maximum"]?.int { wrong.append("\(most + 1)") }
            case "string":
                wrong += ["1", "[]"]
                let isBound = property.value["enum"] != nil || property.value["pattern"] != nil
                if isBound { wrong.append("\"no/such value\"") }
            case "array": wrong += ["1", "\"\""]
            default: Issue.record("\(property.key) is of no type that a request has")
            }
            for value in wrong {
                let refused = try refusedKey(request, request.required.merging([property.key: value]) { $1 })
                #expect(refused == request.prefix + property.key, "\(property.key): \(value)")
            }
        }
    }
}
