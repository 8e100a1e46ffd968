internal import RingwayModel

/// Reads the fields of a message's body. A field that would end beyond the body throws `truncated`.
struct ByteReader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        position = bytes.startIndex
    }

    mutating func bytes(_ count: Int) throws(AgentProtocolFailure) -> ArraySlice<UInt8> {
        guard bytes.endIndex - position >= count else { throw .truncated }
        defer { position += count }
        return bytes[position..<position + count]
    }

    mutating func integer<Integer: FixedWidthInteger & UnsignedInteger>(
        _: Integer.Type = Integer.self
    ) throws(AgentProtocolFailure) -> Integer {
        var value: Integer = 0
        for (index, byte) in try bytes(Integer.bitWidth / 8).enumerated() {
            value |= Integer(byte) << Integer(8 * index)
        }
        return value
    }

    mutating func signed() throws(AgentProtocolFailure) -> Int32 { Int32(bitPattern: try integer()) }

    /// Skips reserved bytes, which must be zero.
    mutating func zero(_ count: Int) throws(AgentProtocolFailure) {
        guard try bytes(count).allSatisfy({ $0 == 0 }) else { throw .invalidValue }
    }

    mutating func flag() throws(AgentProtocolFailure) -> Bool {
        switch try integer(UInt8.self) {
        case 0: return false
        case 1: return true
        default: throw .invalidValue
        }
    }

    mutating func address() throws(AgentProtocolFailure) -> IPAddress {
        var halves: (UInt64, UInt64) = (0, 0)
        for byte in try bytes(8) { halves.0 = halves.0 << 8 | UInt64(byte) }
        for byte in try bytes(8) { halves.1 = halves.1 << 8 | UInt64(byte) }
        return IPAddress(high: halves.0, low: halves.1)
    }

    mutating func mac() throws(AgentProtocolFailure) -> MACAddress {
        var value: UInt64 = 0
        for byte in try bytes(6) { value = value << 8 | UInt64(byte) }
        return MACAddress(rawValue: value)
    }

    mutating func name() throws(AgentProtocolFailure) -> [UInt8] {
        Array(try bytes(Int(try integer(UInt8.self))))
    }

    /// Reads a name that is displayed or used as a path. Throws `invalidValue` unless it is UTF-8 without a zero
    /// byte.
    mutating func nameText() throws(AgentProtocolFailure) -> String {
        try Self.text(try name())
    }

    mutating func text() throws(AgentProtocolFailure) -> String {
        let count = Int(try integer(UInt16.self))
        guard count <= AgentProtocol.maximumTextLength else { throw .tooLong }
        // `appendText` may have cut the text within a character, so invalid UTF-8 is repaired instead of refused.
        return String(decoding: try bytes(count), as: UTF8.self)
    }

    private static func text(_ bytes: [UInt8]) throws(AgentProtocolFailure) -> String {
        guard !bytes.contains(0), let text = String(validating: bytes, as: UTF8.self) else { throw .invalidValue }
        return text
    }

    /// Checks that the body has no further bytes.
    func finish() throws(AgentProtocolFailure) {
        guard position == bytes.endIndex else { throw .trailingBytes }
    }
}
