internal import RingwayModel

/// Writes the fields of a message.
struct ByteWriter {
    private(set) var bytes: [UInt8] = []

    mutating func append<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer) {
        var rest = value
        for _ in 0..<Integer.bitWidth / 8 {
            bytes.append(UInt8(truncatingIfNeeded: rest))
            rest = Integer.bitWidth > 8 ? rest >> 8 : 0
        }
    }

    mutating func append(_ value: Int32) { append(UInt32(bitPattern: value)) }

    mutating func append(contentsOf other: some Sequence<UInt8>) { bytes.append(contentsOf: other) }

    /// Appends sixteen bytes in network order. An IPv4 address is written as an IPv4-mapped IPv6 address (RFC 4291
    /// §2.5.5.2).
    mutating func append(_ address: IPAddress) {
        for half in [address.high, address.low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: half >> UInt64(shift)))
            }
        }
    }

    /// Appends six bytes in network order.
    mutating func append(_ mac: MACAddress) {
        for shift in stride(from: 40, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: mac.rawValue >> UInt64(shift)))
        }
    }

    /// Appends a length (one byte) and the name. A name of more than 255 bytes is cut: a caller that must not cut it
    /// checks the length first.
    mutating func appendName(_ name: some Collection<UInt8>) {
        let kept = name.prefix(AgentProtocol.maximumNameLength)
        append(UInt8(kept.count))
        append(contentsOf: kept)
    }

    /// Appends a length (two bytes) and the text in UTF-8, cut to `maximumTextLength` bytes.
    mutating func appendText(_ text: String) {
        let kept = Array(text.utf8.prefix(AgentProtocol.maximumTextLength))
        append(UInt16(kept.count))
        append(contentsOf: kept)
    }
}
