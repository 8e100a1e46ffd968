import Foundation
import Testing

@testable import RingwayAgent

@Suite("The host's end of the agent's line")
struct HostEndpointTests {
    @Test func `is no vsock's by a socket of another kind`() throws {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
        defer { for end in ends { close(end) } }
        #expect(!HostEndpoint.vsock(cid: 2, port: 1_024).isHost(ends[0]))
        #expect(HostEndpoint.unix(path: "/x").isHost(ends[0]))
    }

    @Test(
        "is read from plain numbers only",
        arguments: [
            ("vsock:2:1024", HostEndpoint.vsock(cid: 2, port: 1_024)), ("vsock:+2:1024", nil), ("vsock:2:+1024", nil),
            ("vsock:2:-0", nil),
        ] as [(String, HostEndpoint?)])
    func numbers(text: String, expected: HostEndpoint?) {
        #expect(HostEndpoint(text) == expected)
    }

    @Test func `takes the place of nothing that is no socket`() throws {
        let path = "/tmp/ringway-line-\(getpid())-\(UInt32.random(in: 0...(.max)))"
        try Data("precious".utf8).write(to: URL(fileURLWithPath: path))
        defer { unlink(path) }
        #expect(throws: AgentFailure("cannot listen on unix:\(path): it exists and is no socket")) {
            _ = try HostLine.listen(.unix(path: path))
        }
        #expect(FileManager.default.contents(atPath: path) == Data("precious".utf8))
    }
}
