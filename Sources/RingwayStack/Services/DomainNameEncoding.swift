/// Domain names as sequences of length-prefixed labels, uncompressed (RFC 1035 §3.1).
///
/// This is the format of the DHCP search option (RFC 3397; compression is optional for the sender) and of router
/// advertisements (RFC 8106 §5.2; compression is forbidden). Names are encoded when a service is created or its search
/// domains change, not for each message.
enum DomainNameEncoding {
    /// The encoding of one name; `nil` if the name is invalid. A valid name has labels of 1 to 63 ASCII letters,
    /// digits, hyphens and underscores, and an encoding of 255 bytes at most. One trailing dot is accepted.
    static func encode(_ name: String) -> [UInt8]? {
        var text = Array(name.utf8)
        if text.last == UInt8(ascii: ".") { text.removeLast() }
        guard !text.isEmpty else { return nil }
        var encoded: [UInt8] = []
        for label in text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard !label.isEmpty, label.count <= 63, label.allSatisfy(isAllowed) else { return nil }
            encoded.append(UInt8(label.count))
            encoded.append(contentsOf: label)
        }
        encoded.append(0)
        return encoded.count <= 255 ? encoded : nil
    }

    /// The encodings of the names, up to the first that does not fit `limit` bytes; invalid names are skipped.
    static func encode(_ names: [String], limit: Int) -> [UInt8] {
        var encoded: [UInt8] = []
        for name in names {
            guard let next = encode(name) else { continue }
            guard encoded.count + next.count <= limit else { break }
            encoded.append(contentsOf: next)
        }
        return encoded
    }

    private static func isAllowed(_ character: UInt8) -> Bool {
        switch character {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default:
            false
        }
    }
}
