/// A cursor over the bytes of a DNS message. Reads never leave the message and never loop: a compression pointer ends a
/// name and is not followed, because its target is not needed here.
struct MessageReader {
    private let bytes: [UInt8]

    /// The offset of the next byte to read; zero is the first byte of the message.
    private(set) var offset: Int

    init(_ bytes: [UInt8], at offset: Int = 0) {
        precondition(offset >= 0 && offset <= bytes.count)
        self.bytes = bytes
        self.offset = offset
    }

    mutating func readWord() -> UInt16? {
        guard bytes.count - offset >= 2 else { return nil }
        defer { offset += 2 }
        return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
    }

    mutating func skip(_ count: Int) -> Bool {
        guard bytes.count - offset >= count else { return false }
        offset += count
        return true
    }

    /// Reads an uncompressed name, including lengths and root byte. `nil` if it is longer than RFC 1035 §2.3.4 allows,
    /// exceeds the message, or contains a compression pointer.
    mutating func readPlainName() -> [UInt8]? {
        let start = offset
        while true {
            guard offset < bytes.count else { return nil }
            let length = Int(bytes[offset])
            guard length <= WireName.longestLabel, skip(1 + length) else { return nil }
            guard offset - start <= WireName.longestName else { return nil }
            if length == 0 { return Array(bytes[start..<offset]) }
        }
    }

    /// Skips a name in any form (RFC 1035 §4.1.4).
    mutating func skipName() -> Bool {
        while offset < bytes.count {
            let length = Int(bytes[offset])
            switch length >> 6 {
            case 0:
                guard skip(1 + length) else { return false }
                if length == 0 { return true }
            case 3:
                return skip(2)
            default:
                return false
            }
        }
        return false
    }

    /// Skips `count` questions.
    mutating func skipQuestions(_ count: UInt16) -> Bool {
        for _ in 0..<count {
            guard skipName(), skip(4) else { return false }
        }
        return true
    }

    /// Reads a resource record: its range, and the fields that matter here (RFC 1035 §4.1.3).
    mutating func readRecord() -> ResourceRecord? {
        let start = offset
        let isRoot = offset < bytes.count && bytes[offset] == 0
        guard skipName(), let type = readWord(), let recordClass = readWord() else { return nil }
        guard let lifeHigh = readWord(), let lifeLow = readWord() else { return nil }
        guard let length = readWord(), skip(Int(length)) else { return nil }
        return ResourceRecord(
            range: start..<offset, isOwnedByRoot: isRoot, type: type, recordClass: recordClass,
            timeToLive: UInt32(lifeHigh) << 16 | UInt32(lifeLow))
    }
}
