import Glibc
import Ringway
import Testing

@testable import RingwayControl

/// Requests and their responses, without a connection.
@Suite("The control API", .serialized, .enabled(if: ControlledBench.isPossible))
struct RouterTests {
    private let bench: ControlledBench

    init() throws { bench = try ControlledBench() }

    struct Malformed: CustomTestStringConvertible, Sendable {
        let body: String
        let key: String?
        var testDescription: String { body }
    }

    @Test(
        "names the key of a body that is malformed",
        arguments: [
            Malformed(body: "", key: nil), Malformed(body: "{", key: nil), Malformed(body: "[]", key: nil),
            Malformed(body: "{}", key: "hostPort"),
            Malformed(body: #"{"hostPort":8080}"#, key: "guestPort"),
            Malformed(body: #"{"hostPort":-1,"guestPort":80}"#, key: "hostPort"),
            Malformed(body: #"{"hostPort":65536,"guestPort":80}"#, key: "hostPort"),
            Malformed(body: #"{"hostPort":1.5,"guestPort":80}"#, key: "hostPort"),
            Malformed(body: #"{"hostPort":"80","guestPort":80}"#, key: "hostPort"),
            Malformed(body: #"{"hostPort":80,"guestPort":0}"#, key: "guestPort"),
            Malformed(body: #"{"hostPort":80,"guestPort":80,"count":0}"#, key: "count"),
            Malformed(body: #"{"hostPort":65530,"guestPort":80,"count":7}"#, key: "count"),
            Malformed(body: #"{"hostPort":5,"hostPortEnd":9,"guestPort":80,"count":2}"#, key: "hostPortEnd"),
            Malformed(body: #"{"hostPort":80,"guestPort":80,"transport":"sctp"}"#, key: "transport"),
            Malformed(body: #"{"hostPort":80,"guestPort":80,"hostAddress":"1.2.3"}"#, key: "hostAddress"),
            Malformed(body: #"{"hostPort":80,"guestPort":80,"guest":"no name"}"#, key: "guest"),
            Malformed(body: #"{"hostPort":80,"guestPort":80,"owner":"a/b"}"#, key: "owner"),
            Malformed(body: #"{"hostPort":80,"guestPort":80,"port":1}"#, key: "port"),
        ])
    func namesKey(_ input: Malformed) throws {
        let answer = try bench.ask("POST", "/v1/forwards", input.body)
        #expect(answer.status == 400)
        #expect(answer.body["error"]?["key"] == input.key.map { .string($0) } ?? .null)
    }

    @Test func `names the key inside of a set`() throws {
        let body = #"{"forwards":[{"hostPort":1,"guestPort":1},{"hostPort":2,"guestPort":99999}]}"#
        let answer = try bench.ask("PUT", "/v1/forwards", body)
        #expect(answer.status == 400)
        #expect(answer.body["error"]?["key"] == .string("forwards[1].guestPort"))
        #expect(bench.network.publishedPorts.isEmpty)
    }

    @Test func `refuses other paths, and lists the methods of a path`() throws {
        #expect(try bench.ask("GET", "/v1/nothing").status == 404)
        #expect(try bench.ask("GET", "/v1/forwards/").status == 404)
        #expect(try bench.ask("GET", "/v1/forwards/x").status == 404)
        #expect(throws: ControlFailure.method("PATCH", allowed: ["GET", "POST", "PUT"])) {
            try bench.controlled.router.answer(try ControlRequest(method: "PATCH", target: "/v1/forwards", body: []))
        }
    }

    @Test func `publishes a port, shows it, and removes it`() throws {
        let added = try bench.ask("POST", "/v1/forwards", #"{"hostPort":0,"guestPort":80,"hostAddress":"127.0.0.1"}"#)
        #expect(added.status == 201)
        let number = try #require(added.body["id"]?.int)
        let port = try #require(added.body["hostPort"]?.int)
        #expect(port > 0)
        #expect(added.body["state"] == .string("waiting"))
        #expect(try bench.ask("GET", "/v1/forwards/\(number)").body == added.body)
        let twice = try bench.ask(
            "POST", "/v1/forwards", #"{"hostPort":\#(port),"guestPort":80,"hostAddress":"127.0.0.1"}"#)
        #expect(twice.status == 409)
        #expect(twice.body["error"]?["code"] == .string("port-in-use"))
        #expect(try bench.ask("DELETE", "/v1/forwards/\(number)").status == 204)
        #expect(try bench.ask("DELETE", "/v1/forwards/\(number)").status == 404)
        #expect(bench.network.publishedPorts.isEmpty)
    }

    @Test func `shows forwards through agents beside published ports, and removes them`() throws {
        let ports = (0..<2).map { _ in ControlledBench.freePort() }
        let body = #"{"hostPort":\#(ports[0]),"guestPort":80}"#
        let published = try #require(try bench.ask("POST", "/v1/forwards", body).body["id"]?.int)
        let address = TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: UInt16(ports[1]))
        let target = DialTarget(.tcp(TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 80)))
        let number = try bench.network.forward(AgentForward(.address(address), to: target))
        let list = try bench.ask("GET", "/v1/forwards").body["forwards"]?.elements ?? []
        #expect(list.compactMap { $0["id"]?.int } == [published, Int(number)])
        #expect(list.compactMap { $0["kind"]?.text } == ["port", "forward"])
        #expect(list.compactMap { $0["state"]?.text } == ["waiting", "waiting"])
        #expect(list.compactMap { $0["target"]?.text } == ["tcp:127.0.0.1:80"])
        let path = "/v1/forwards/\(number)"
        #expect(try bench.ask("GET", path).body == list[1])
        #expect(list[1]["hostPort"]?.int == ports[1] && list[1]["guestPort"]?.int == 80)
        #expect(list[1]["owner"] == .string("forward"))
        let status = try bench.ask("GET", "/v1/status").body
        #expect(status["forwards"]?.int == 2 && status["publishedPorts"]?.int == 2)
        let metrics = String(decoding: MetricsText.text(of: bench.controlled), as: UTF8.self)
        #expect(metrics.contains("ringway_forwards{kind=\"forward\",state=\"waiting\"} 1\n"))
        #expect(metrics.contains("ringway_forwards{kind=\"agent\",state=\"active\"} 0\n"))
        // A set of published ports does not affect theirs.
        #expect(try bench.ask("PUT", "/v1/forwards", #"{"forwards":[],"owner":"forward"}"#).status == 200)
        #expect(try bench.ask("DELETE", path).status == 204)
        #expect(try bench.ask("DELETE", path).status == 404)
        #expect(bench.network.publishedPorts.count == 1)
    }

    @Test func `applies a set as a difference, and leaves other owners alone`() throws {
        let ports = (0..<4).map { _ in ControlledBench.freePort() }
        func members(_ port: Int) -> String { #"{"hostPort":\#(port),"guestPort":80}"# }
        func set(_ ports: ArraySlice<Int>) throws -> (status: Int, body: JSONValue) {
            try bench.ask("PUT", "/v1/forwards", #"{"forwards":[\#(ports.map(members).joined(separator: ","))]}"#)
        }
        let other = try bench.ask("POST", "/v1/forwards", #"{"hostPort":\#(ports[3]),"guestPort":1,"owner":"me"}"#)
        #expect(other.status == 201)
        let first = try set(ports[0...1])
        #expect(first.status == 200)
        #expect(first.body["added"]?.elements.count == 2)
        let second = try set(ports[1...2])
        #expect(second.body["added"]?.elements.compactMap { $0["hostPort"]?.int } == [ports[2]])
        #expect(second.body["removed"]?.elements.compactMap { $0["hostPort"]?.int } == [ports[0]])
        #expect(second.body["kept"]?.elements == first.body["added"]?.elements.suffix(1))
        // A set that cannot be published changes nothing.
        let before = bench.network.publishedPorts.map(\.forward)
        #expect(try set(ports[3...3]).status == 409)
        #expect(bench.network.publishedPorts.map(\.forward) == before)
        #expect(try bench.ask("DELETE", "/v1/owners/api").status == 204)
        #expect(bench.network.publishedPorts.map(\.owner) == ["me"])
    }

    @Test func `chooses ports of a range, and keeps them for the same request`() throws {
        let taken = ControlledBench.freePort()
        _ = try bench.ask("POST", "/v1/forwards", #"{"hostPort":\#(taken),"guestPort":1,"owner":"me"}"#)
        let request = #"{"hostPort":\#(taken),"hostPortEnd":\#(min(taken + 50, 65_535)),"guestPort":80}"#
        let set = #"{"forwards":[\#(request),{"hostPort":0,"guestPort":90,"count":3}]}"#
        let first = try bench.ask("PUT", "/v1/forwards", set)
        #expect(first.status == 200)
        let added = try #require(first.body["added"]?.elements)
        #expect(added.count == 2)
        #expect(added.first?["hostPort"]?.int ?? 0 > taken)
        #expect(added.first?["requested"]?.text == "\(taken)-\(min(taken + 50, 65_535)):80/tcp")
        #expect(added.last?["count"]?.int == 3)
        #expect(added.last?["requested"]?.text == "90-92/tcp")
        let second = try bench.ask("PUT", "/v1/forwards", set)
        #expect(second.body["kept"]?.elements == added)
        let full = #"{"hostPort":\#(taken),"hostPortEnd":\#(taken),"guestPort":80}"#
        #expect(try bench.ask("POST", "/v1/forwards", full).status == 409)
        let backwards = #"{"hostPort":\#(taken),"hostPortEnd":\#(taken - 1),"guestPort":80}"#
        #expect(try bench.ask("POST", "/v1/forwards", backwards).status == 400)
        let twice = #"{"forwards":[{"hostPort":9,"guestPort":1},{"hostPort":9,"guestPort":2}]}"#
        #expect(try bench.ask("PUT", "/v1/forwards", twice).status == 400)
    }

    @Test func `removes the ports of an owner whose lease is not renewed`() throws {
        let port = ControlledBench.freePort()
        _ = try bench.ask("POST", "/v1/forwards", #"{"hostPort":\#(port),"guestPort":1,"owner":"me"}"#)
        #expect(try bench.ask("PUT", "/v1/owners/me", #"{"seconds":1}"#).status == 204)
        let clock = ContinuousClock()
        let end = clock.now + .seconds(10)
        while !bench.network.publishedPorts.isEmpty, clock.now < end { usleep(5_000) }
        #expect(bench.network.publishedPorts.isEmpty)
    }

    @Test(
        "answers what it is asked",
        arguments: [
            "/v1/status", "/v1/guests", "/v1/flows", "/v1/flows?limit=1&guest=7", "/v1/forwards", "/v1/owners",
            "/v1/leases", "/v1/names", "/v1/diagnostics", "/metrics", "/openapi.json",
        ])
    func answers(_ target: String) throws {
        #expect(try bench.ask("GET", target).status == 200)
    }

    @Test(
        "refuses a query that it does not know",
        arguments: [("limit=0", "limit"), ("limit=4097", "limit"), ("guest=x", "guest"), ("all=1", "all")])
    func refusesQuery(_ query: String, _ key: String) throws {
        let answer = try bench.ask("GET", "/v1/flows?\(query)")
        #expect(answer.status == 400)
        #expect(answer.body["error"]?["key"] == .string(key))
    }

    @Test(
        "refuses a query whose encoding is none",
        arguments: ["guest=%", "guest=%3", "guest=%+3", "guest=%-0", "guest=%FF"])
    func refusesEncoding(_ query: String) {
        #expect(throws: ControlFailure.self) {
            _ = try ControlRequest(method: "GET", target: "/v1/flows?\(query)", body: [])
        }
    }
}
