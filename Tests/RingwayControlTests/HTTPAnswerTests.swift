import CRingway
import Glibc
import Testing

@testable import RingwayControl

@Suite("The answer to a client")
struct HTTPAnswerTests {
    /// An answer of these bytes, after which the server closes the connection.
    private static func answer(_ text: String) throws -> HTTPAnswer {
        var ends: [Int32] = [-1, -1]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
        let bytes = Array(text.utf8)
        #expect(send(ends[1], bytes, bytes.count, 0) == bytes.count)
        close(ends[1])
        return HTTPAnswer(ends[0])
    }

    private static func body(_ text: String) throws -> String {
        let answer = try answer(text)
        try answer.readHead()
        return String(decoding: try answer.body(), as: UTF8.self)
    }

    @Test(
        "is read to its end",
        arguments: [
            ("content-length: 5\r\n\r\nhello", "hello"), ("Content-Length: 0\r\n\r\n", ""),
            ("transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
            // Without a length the end of the connection ends the body.
            ("connection: close\r\n\r\nhello", "hello"), (":\r\n\r\nhello", "hello"),
            ("content-length: -5\r\n\r\nhello", "hello"), ("content-length: +2\r\n\r\nhello", "hello"),
        ])
    func whole(rest: String, expected: String) throws {
        #expect(try Self.body("HTTP/1.1 200 OK\r\n\(rest)") == expected)
    }

    @Test(
        "is a failure if it is cut short",
        arguments: [
            "content-length: 5\r\n\r\nhell", "content-length: 5\r\n", "content-le",
            "transfer-encoding: chunked\r\n\r\n5\r\nhell", "transfer-encoding: chunked\r\n\r\n3\r\nhel\r\n",
            "transfer-encoding: chunked\r\n\r\n+3\r\nhel\r\n0\r\n\r\n",
        ])
    func short(rest: String) throws {
        #expect(throws: ControlClient.Failure(description: "the answer is cut short")) {
            try Self.body("HTTP/1.1 200 OK\r\n\(rest)")
        }
    }
}
