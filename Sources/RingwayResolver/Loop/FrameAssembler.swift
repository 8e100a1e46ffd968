/// Takes a byte stream apart into DNS messages, each behind its length in two octets (RFC 1035 §4.2.2).
struct FrameAssembler {
    private var octets: [UInt8] = []
    private var consumed = 0

    /// Octets that are not yet part of a message handed out.
    var waiting: Int { octets.count - consumed }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        if consumed > 0 {
            octets.removeFirst(consumed)
            consumed = 0
        }
        octets.append(contentsOf: bytes)
    }

    /// The next whole message; empty when its length said zero.
    mutating func next() -> [UInt8]? {
        guard waiting >= 2 else { return nil }
        let length = Int(octets[consumed]) << 8 | Int(octets[consumed + 1])
        guard waiting >= 2 + length else { return nil }
        let start = consumed + 2
        consumed = start + length
        return Array(octets[start..<consumed])
    }
}
