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

    /// Sixteen bytes in network order; an IPv4 address as an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2).
    mutating func append(_ address: IPAddress) {
        for half in [address.high, address.low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                bytes.append(UInt8(truncatingIfNeeded: half >> UInt64(shift)))
            }
        }
    }

    /// Six bytes in network order.
    mutating func append(_ mac: MACAddress) {
        for shift in stride(from: 40, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: mac.rawValue >> UInt64(shift)))
        }
    }

    /// One byte of length, then at most 255 bytes. A longer name is truncated; callers check lengths where that
    /// matters.
    mutating func appendName(_ name: some Collection<UInt8>) {
        let kept = name.prefix(AgentProtocol.maximumNameLength)
        append(UInt8(kept.count))
        append(contentsOf: kept)
    }

    /// Two bytes of length, then text, truncated if it is too long.
    mutating func appendText(_ text: String) {
        let kept = Array(text.utf8.prefix(AgentProtocol.maximumTextLength))
        append(UInt16(kept.count))
        append(contentsOf: kept)
    }
}
