internal import Glibc
internal import Ringway

/// Sends one request, and parses its response while it is received (RFC 9112).
final class HTTPAnswer {
    private(set) var status = 0

    private let descriptor: Int32
    private var buffer: [UInt8] = []
    /// The position of the first byte of `buffer` that has not been read.
    private var position = 0
    private var length: Int?
    private var isChunked = false
    /// Unread bytes of the current chunk.
    private var chunk = 0
    /// Whether the last chunk, which is empty, has been read.
    private var isLastChunkRead = false

    /// - Parameter descriptor: a stream socket, which the caller connects and this object closes.
    init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws(ControlClient.Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if count < 0, errno != EINTR {
                // EPIPE is no error: a server that refuses a body may respond and close before it has read the whole
                // body.
                if errno == EPIPE { return }
                throw ControlClient.Failure(description: "cannot send: \(String(cString: strerror(errno)))")
            }
        }
    }

    func readHead() throws(ControlClient.Failure) {
        let first = try rawLine() ?? ""
        let words = first.split(separator: " ")
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let code = Int(digits: words[1]) else {
            throw ControlClient.Failure(description: "that is no HTTP: \"\(first)\"")
        }
        status = code
        while true {
            guard let line = try rawLine() else { throw Self.cutShort }
            guard !line.isEmpty else { return }
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count == 2 ? parts[1].drop(while: { $0 == " " }) : ""
            switch parts[0].lowercased() {
            case "content-length": length = Int(digits: value)
            case "transfer-encoding": isChunked = value.lowercased() == "chunked"
            default: break
            }
        }
    }

    /// Receives the whole body. Throws if the connection ends before the length of `content-length`, or before the
    /// last chunk. A body without either ends with the connection.
    func body() throws(ControlClient.Failure) -> [UInt8] {
        guard status != 204 else { return [] }
        if let length {
            while buffer.count - position < length { guard try fill() else { throw Self.cutShort } }
            return Array(buffer[position...].prefix(length))
        }
        var bytes: [UInt8] = []
        while let byte = try next() { bytes.append(byte) }
        guard !isChunked || isLastChunkRead else { throw Self.cutShort }
        return bytes
    }

    private static var cutShort: ControlClient.Failure { ControlClient.Failure(description: "the answer is cut short") }

    /// The next complete line of the body, without its line end; `nil` if there is none.
    func line() throws(ControlClient.Failure) -> String? {
        var bytes: [UInt8] = []
        while let byte = try next() {
            if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(byte)
        }
        return nil
    }

    // MARK: Bytes

    /// The next byte of the body, without the chunked encoding; `nil` at the end of the body.
    private func next() throws(ControlClient.Failure) -> UInt8? {
        guard isChunked else { return try rawByte() }
        if chunk == 0 {
            var size = try rawLine()
            // An empty line is the line end after the previous chunk's data.
            if size == "" { size = try rawLine() }
            guard let line = size, let count = Int(digits: line, radix: 16), count > 0 else {
                isLastChunkRead = size.flatMap { Int(digits: $0, radix: 16) } == 0
                return nil
            }
            chunk = count
        }
        chunk -= 1
        return try rawByte()
    }

    private func rawByte() throws(ControlClient.Failure) -> UInt8? {
        if position == buffer.count, !(try fill()) { return nil }
        defer { position += 1 }
        return buffer[position]
    }

    private func rawLine() throws(ControlClient.Failure) -> String? {
        var bytes: [UInt8] = []
        while let byte = try rawByte() {
            guard byte != UInt8(ascii: "\n") else {
                if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
                return String(decoding: bytes, as: UTF8.self)
            }
            bytes.append(byte)
        }
        return nil
    }

    /// Waits for further bytes and receives them. Returns false at end of file.
    private func fill() throws(ControlClient.Failure) -> Bool {
        if position == buffer.count {
            buffer.removeAll(keepingCapacity: true)
            position = 0
        }
        let old = buffer.count
        buffer.append(contentsOf: repeatElement(0, count: 65_536))
        var count = 0
        repeat {
            count = buffer.withUnsafeMutableBytes { room in
                room.baseAddress.map { recv(descriptor, $0 + old, 65_536, 0) } ?? -1
            }
        } while count < 0 && errno == EINTR
        let error = errno
        buffer.removeLast(65_536 - max(0, count))
        if count < 0 {
            throw ControlClient.Failure(
                description: error == EAGAIN
                    ? "no answer came in time" : "cannot read: \(String(cString: strerror(error)))")
        }
        return count > 0
    }
}
