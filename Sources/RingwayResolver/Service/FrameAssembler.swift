/// Splits a byte stream into DNS messages, each preceded by its length in two bytes (RFC 1035 §4.2.2).
struct FrameAssembler {
    private var buffer: [UInt8] = []
    private var consumed = 0

    /// Bytes that are not yet part of a returned message.
    var waiting: Int { buffer.count - consumed }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if consumed > 0 {
            buffer.removeFirst(consumed)
            consumed = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next whole message, empty if its length was zero; `nil` if it has not arrived completely.
    mutating func next() -> [UInt8]? {
        guard waiting >= 2 else { return nil }
        let length = Int(buffer[consumed]) << 8 | Int(buffer[consumed + 1])
        guard waiting >= 2 + length else { return nil }
        let start = consumed + 2
        consumed = start + length
        return Array(buffer[start..<consumed])
    }
}
