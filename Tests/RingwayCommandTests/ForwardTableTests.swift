import Ringway
import RingwayControl
import Testing

@testable import RingwayCommand

@Suite("The list of published ports")
struct ForwardTableTests {
    private func forward(
        _ id: Int, _ kind: String = "agent", host: String = "0.0.0.0", port: Int, guest: String = "172.17.0.2",
        problem: String = "null"
    ) throws -> JSONValue {
        try JSONReader.read(
            Array(
                """
                {"id":\(id),"kind":"\(kind)","transport":"tcp","hostAddress":"\(host)","hostPort":\(port),
                 "guestPort":\(port),"count":1,"path":null,"target":"tcp:\(guest):\(port)","guest":null,"guestId":1,
                 "state":"active","problem":\(problem),"owner":"agent:web"}
                """.utf8))
    }

    @Test func `has one row for a range that Docker has published port by port, in both families`() throws {
        var forwards: [JSONValue] = []
        // The engine may request them in any order.
        for index in (0..<200).shuffled() {
            forwards.append(try forward(2 * index + 1, port: 20_100 + index))
            forwards.append(try forward(2 * index + 2, host: "::", port: 20_100 + index))
        }
        let lines = ForwardTable.lines(forwards)
        try #require(lines.count == 3)
        #expect(lines.contains { $0.contains(" 0.0.0.0:20100-20299=tcp:172.17.0.2:20100-20299 ") })
        #expect(lines.contains { $0.contains(" [::]:20100-20299=tcp:172.17.0.2:20100-20299 ") })
        #expect(lines[1].hasPrefix("1 ") && lines[1].contains("agent:web"))
    }

    @Test func `has a row for each that differs from the one before`() throws {
        let lines = ForwardTable.lines([
            try forward(1, port: 80), try forward(2, port: 82), try forward(3, port: 83, guest: "172.17.0.3"),
            try forward(4, port: 84, guest: "172.17.0.3", problem: "\"the port is in use\""),
            try forward(5, "follow", port: 85), try forward(6, "follow", port: 86),
        ])
        #expect(lines.count == 7)
        #expect(lines[4].hasSuffix("the port is in use"))
    }

    @Test func `shows forwards as their options have them`() throws {
        let texts = try [
            #"{"kind":"forward","path":"/run/docker.sock","target":"unix:/run/d.sock@blue"}"#,
            #"{"kind":"forward","path":null,"hostAddress":"::1","hostPort":8080,"target":"tcp:[::1]:80","guest":"web"}"#,
            #"{"kind":"port","hostPort":80,"guestPort":81,"count":1,"transport":"tcp","target":null}"#,
        ].map { ForwardText.text(try JSONReader.read(Array($0.utf8))) }
        #expect(
            texts == ["unix:/run/docker.sock=unix:/run/d.sock@blue", "web/[::1]:8080=tcp:[::1]:80", "80:81/tcp"])
    }

    @Test(
        "reads what is to be removed by the list's own words",
        arguments: ["unix:/run/docker.sock=unix:/run/d.sock@blue", "web/[::1]:8080=tcp:[::1]:80"])
    func removes(_ text: String) throws {
        guard case .place(let forward) = try PublishRemove.Target.parse(text) else {
            Issue.record("\(text) is taken for something else")
            return
        }
        #expect(forward.specification == text)
    }
}

@Suite("Lines about what guests do")
struct NewsGateTests {
    @Test func `are limited to twenty a second, and one that reports more`() {
        let gate = NewsGate()
        let start = ContinuousClock.now
        let verdicts = (0..<400).map { _ in gate.admit(at: start) }
        #expect(verdicts.count { $0 == .say } == 20)
        #expect(verdicts.count { $0 == .sayThatMoreFollow } == 1)
        #expect(gate.admit(at: start + .milliseconds(999)) == .silence)
        #expect(gate.admit(at: start + .seconds(1)) == .say)
    }
}
