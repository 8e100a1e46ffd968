import CRingway
import Glibc
import Ringway
import Testing

@testable import RingwayControl

/// A server and its clients in this process, over a real socket.
@Suite("The control socket", .serialized, .enabled(if: ControlledBench.isPossible))
final class ControlServerTests {
    private let network: VirtualNetwork
    private let server = ControlServer()
    private let path = "/tmp/ringway-control-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"

    init() throws {
        network = try ControlledBench.makeNetwork()
        try server.serve(network, as: ControlledBench.identity, on: try ControlListener(at: path))
    }

    deinit {
        server.stop()
        network.stop()
    }

    private var client: ControlClient { ControlClient(path: path) }

    /// A connection of the test's own.
    private func connect() throws -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(SocketFile.connect(descriptor, path) == 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        return descriptor
    }

    private func send(_ text: String, on descriptor: Int32) {
        _ = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL))
    }

    /// Receives until end of file.
    private func receiveAll(_ descriptor: Int32) -> String {
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4_096)
        while case let count = recv(descriptor, &piece, piece.count, 0), count > 0 { text += piece.prefix(count) }
        return String(decoding: text, as: UTF8.self)
    }

    @Test func `is the owner's alone`() throws {
        var status = stat()
        try #require(stat(path, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
    }

    @Test func `answers, and goes when the server does`() throws {
        #expect(try client.json("GET", "/v1/status")["name"] == .string("test"))
        #expect(throws: ControlClient.Failure.self) { try client.request("GET", "/v1/nothing") }
        server.stop()
        #expect(access(path, F_OK) != 0)
    }

    @Test func `takes several requests on one connection, sent at once`() throws {
        let descriptor = try connect()
        defer { close(descriptor) }
        send("GET /v1/names HTTP/1.1\r\n\r\nGET /v1/leases HTTP/1.1\r\nconnection: close\r\n\r\n", on: descriptor)
        let text = receiveAll(descriptor)
        #expect(text.contains("\"names\":[") && text.contains("\"leases\":["))
    }

    @Test func `refuses bytes that are not HTTP, and methods that a path does not have`() throws {
        let first = try connect()
        defer { close(first) }
        send("nonsense\r\n\r\n", on: first)
        #expect(receiveAll(first).hasPrefix("HTTP/1.1 400 "))
        let second = try connect()
        defer { close(second) }
        send("DELETE /v1/status HTTP/1.1\r\nconnection: close\r\n\r\n", on: second)
        let text = receiveAll(second)
        #expect(text.hasPrefix("HTTP/1.1 405 ") && text.lowercased().contains("\r\nallow: get\r\n"))
    }

    @Test(arguments: ["content-length: 99999999", "transfer-encoding: chunked"])
    func `refuses a body that is too large`(framing: String) throws {
        let descriptor = try connect()
        defer { close(descriptor) }
        send("PUT /v1/forwards HTTP/1.1\r\n\(framing)\r\n\r\n", on: descriptor)
        if framing.hasPrefix("transfer") {
            let chunk = "100000\r\n" + String(repeating: " ", count: 1 << 20) + "\r\n"
            for _ in 0..<9 { send(chunk, on: descriptor) }
            send("0\r\n\r\n", on: descriptor)
        } else {
            shutdown(descriptor, Int32(SHUT_WR))
        }
        #expect(receiveAll(descriptor).hasPrefix("HTTP/1.1 413 "))
    }

    @Test func `sends events as they happen`() throws {
        let descriptor = try connect()
        defer { close(descriptor) }
        send("GET /v1/events HTTP/1.1\r\n\r\n", on: descriptor)
        var text = ""
        var piece = [UInt8](repeating: 0, count: 4_096)
        func read(until wanted: String) {
            while !text.contains(wanted), case let count = recv(descriptor, &piece, piece.count, 0), count > 0 {
                text += String(decoding: piece.prefix(count), as: UTF8.self)
            }
        }
        read(until: ": listening\n\n")
        let port = try client.json("POST", "/v1/forwards", body: Array(#"{"hostPort":0,"guestPort":80}"#.utf8))
        read(until: "}}\n\n")
        #expect(text.contains("event: forwardAdded\ndata: {"))
        #expect(text.contains("\"hostPort\":\(port["hostPort"]?.int ?? 0),"))
    }

    @Test func `closes connections beyond its limit, and serves the others`() throws {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        _ = ringway_file_limit(&soft, &hard)
        _ = ringway_set_file_limit(hard, hard)
        try #require(hard >= 4_096)
        var held: [Int32] = []
        defer { for descriptor in held { close(descriptor) } }
        for _ in 0..<ControlServer.mostConnections { held.append(try connect()) }
        // Each connection has been accepted when the last one is answered.
        send("GET /v1/names HTTP/1.1\r\n\r\n", on: held[held.count - 1])
        var byte: UInt8 = 0
        #expect(recv(held[held.count - 1], &byte, 1, 0) == 1)
        let surplus = try connect()
        defer { close(surplus) }
        #expect(recv(surplus, &byte, 1, 0) <= 0)
        send("GET /v1/names HTTP/1.1\r\n\r\n", on: held[0])
        #expect(recv(held[0], &byte, 1, 0) == 1)
    }
}
