internal import RingwayModel

/// Domain names in wire format: labels with their lengths, then the root's zero byte (RFC 1035 §3.1).
enum WireName {
    /// The most bytes in a label (RFC 1035 §2.3.4).
    static let longestLabel = 63

    /// The most bytes in a whole name, lengths and root included (RFC 1035 §2.3.4).
    static let longestName = 255

    /// The wire format of `text`, with or without a final dot; `nil` if a label is empty or a length exceeds its limit.
    static func encode(_ text: String) -> [UInt8]? {
        var labels = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        if labels.last?.isEmpty == true { labels.removeLast() }
        guard !labels.isEmpty else { return nil }
        var bytes: [UInt8] = []
        for label in labels {
            guard !label.isEmpty, label.count <= longestLabel else { return nil }
            bytes.append(UInt8(label.count))
            bytes += label
        }
        bytes.append(0)
        return bytes.count <= longestName ? bytes : nil
    }

    /// The name with ASCII letters in lower case. Length bytes are below 64, so they cannot be letters.
    static func lowercased(_ name: [UInt8]) -> [UInt8] {
        name.map { $0 >= UInt8(ascii: "A") && $0 <= UInt8(ascii: "Z") ? $0 | 0x20 : $0 }
    }

    /// The label `*` (RFC 4592).
    static let wildcard: [UInt8] = [1, UInt8(ascii: "*")]

    /// The name without its first label; `nil` for the root.
    static func parent(of name: [UInt8]) -> [UInt8]? {
        guard let length = name.first, length > 0, name.count > Int(length) + 1 else { return nil }
        return Array(name[(Int(length) + 1)...])
    }

    /// The label before the root, with its length; empty for the root.
    static func lastLabel(of name: [UInt8]) -> ArraySlice<UInt8> {
        var label = name[0..<0]
        var start = 0
        while start < name.count, name[start] > 0 {
            let end = start + Int(name[start]) + 1
            guard end <= name.count else { break }
            label = name[start..<end]
            start = end
        }
        return label
    }

    /// The reverse-lookup name of `address` (RFC 1035 §3.5).
    static func reverse(_ address: IPv4Address) -> [UInt8] {
        var bytes: [UInt8] = []
        for shift in [0, 8, 16, 24] {
            let label = Array(String(address.rawValue >> UInt32(shift) & 0xFF).utf8)
            bytes.append(UInt8(label.count))
            bytes += label
        }
        return bytes + [7] + Array("in-addr".utf8) + [4] + Array("arpa".utf8) + [0]
    }

    /// The reverse-lookup name of `address` (RFC 3596 §2.5).
    static func reverse(_ address: IPv6Address) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        var bytes: [UInt8] = []
        for half in [address.low, address.high] {
            for nibble in 0..<UInt64(16) {
                bytes += [1, digits[Int(half >> (nibble * 4) & 0xF)]]
            }
        }
        return bytes + [3] + Array("ip6".utf8) + [4] + Array("arpa".utf8) + [0]
    }
}
