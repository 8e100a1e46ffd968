internal import Glibc
internal import Ringway

/// A client of a control socket. Each request uses a connection of its own, and blocks until the response.
public struct ControlClient: Sendable {
    /// Why a request failed: it got no response, or an error response. The description is one line.
    public struct Failure: Error, Equatable, Sendable, CustomStringConvertible {
        public let description: String
        /// The HTTP status of the error response; `nil` for other failures.
        public var status: Int?
    }

    public let path: String
    /// Timeout of each receive from the socket in seconds; zero for none.
    private let timeout: Int

    /// Creates a client. It connects when a request is made.
    ///
    /// - Parameters:
    ///   - path: the path of the socket.
    ///   - timeout: the timeout of each receive from the socket in seconds; zero for none.
    public init(path: String, timeout: Int = 60) {
        self.path = path
        self.timeout = timeout
    }

    /// Whether a process listens at the socket, and its process identifier if it has one in this PID namespace.
    public var listener: (isThere: Bool, process: Int32?) {
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { return (false, nil) }
        defer { close(descriptor) }
        if SocketFile.connect(descriptor, path) == 0 { return (true, SocketFile.listener(of: descriptor)) }
        // EAGAIN means that the listen queue is full, so a process listens.
        return (errno == EAGAIN, nil)
    }

    /// Removes the socket file if no process listens on it.
    public func removeAbandoned() { SocketFile.removeAbandoned(path) }

    /// Sends a request. Returns the body of a 2xx response, which may be empty, and throws for any other response.
    public func request(_ method: String, _ target: String, body: [UInt8] = []) throws(Failure) -> [UInt8] {
        let answer = try open(method, target, body, timeout: timeout)
        let bytes = try answer.body()
        guard answer.status < 300 else { throw refusal(answer.status, bytes) }
        return bytes
    }

    /// Like `request`, with the body parsed as JSON.
    public func json(_ method: String, _ target: String, body: [UInt8] = []) throws(Failure) -> JSONValue {
        let bytes = try request(method, target, body: body)
        do throws(JSONReader.Failure) {
            return try JSONReader.read(bytes)
        } catch {
            throw Failure(description: "the answer of \(path) is no JSON: \(error)")
        }
    }

    /// Calls `handler` with the data of each event until `handler` returns false, or the server ends the stream.
    public func events(_ handler: (String) -> Bool) throws(Failure) {
        let answer = try open("GET", "/v1/events", [], timeout: 0)
        guard answer.status < 300 else { throw refusal(answer.status, try answer.body()) }
        while let line = try answer.line() {
            if line.hasPrefix("data: "), !handler(String(line.dropFirst(6))) { return }
        }
    }

    private func refusal(_ status: Int, _ body: [UInt8]) -> Failure {
        let error = (try? JSONReader.read(body))?["error"]
        return Failure(description: error?["message"]?.text ?? "\(path) answers with status \(status)", status: status)
    }

    private func open(
        _ method: String, _ target: String, _ body: [UInt8], timeout: Int
    ) throws(Failure) -> HTTPAnswer {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "no socket: \(String(cString: strerror(errno)))") }
        let answer = HTTPAnswer(descriptor)
        guard SocketFile.connect(descriptor, path) == 0 else { throw unreachable(errno) }
        var limit = timeval(tv_sec: timeout, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var head = "\(method) \(target) HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
        if !body.isEmpty { head += "content-type: application/json\r\ncontent-length: \(body.count)\r\n" }
        try answer.send(Array("\(head)\r\n".utf8) + body)
        try answer.readHead()
        return answer
    }

    private func unreachable(_ error: Int32) -> Failure {
        switch error {
        case ENOENT, ECONNREFUSED:
            Failure(
                description: "no network answers at \(path): start \"ringway serve\", or name another socket by --name")
        case EACCES: Failure(description: "\(path) is another user's")
        default: Failure(description: "cannot reach \(path): \(String(cString: strerror(error)))")
        }
    }
}
