internal import RingwayWire

/// Takes a body apart, field by field. Nothing is read beyond its end.
struct OctetReader {
    private let octets: ArraySlice<UInt8>
    private var position: Int

    init(_ octets: ArraySlice<UInt8>) {
        self.octets = octets
        position = octets.startIndex
    }

    mutating func octets(_ count: Int) throws(AgentProtocolFailure) -> ArraySlice<UInt8> {
        guard octets.endIndex - position >= count else { throw .truncated }
        defer { position += count }
        return octets[position..<position + count]
    }

    mutating func integer<Integer: FixedWidthInteger & UnsignedInteger>(
        _: Integer.Type = Integer.self
    ) throws(AgentProtocolFailure) -> Integer {
        var value: Integer = 0
        for (index, octet) in try octets(Integer.bitWidth / 8).enumerated() {
            value |= Integer(octet) << Integer(8 * index)
        }
        return value
    }

    mutating func signed() throws(AgentProtocolFailure) -> Int32 { Int32(bitPattern: try integer()) }

    /// An octet, or two, that a later version may give a meaning.
    mutating func zero(_ count: Int) throws(AgentProtocolFailure) {
        guard try octets(count).allSatisfy({ $0 == 0 }) else { throw .invalidValue }
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
        for octet in try octets(8) { halves.0 = halves.0 << 8 | UInt64(octet) }
        for octet in try octets(8) { halves.1 = halves.1 << 8 | UInt64(octet) }
        return IPAddress(high: halves.0, low: halves.1)
    }

    mutating func mac() throws(AgentProtocolFailure) -> MACAddress {
        var value: UInt64 = 0
        for octet in try octets(6) { value = value << 8 | UInt64(octet) }
        return MACAddress(rawValue: value)
    }

    mutating func name() throws(AgentProtocolFailure) -> [UInt8] {
        Array(try octets(Int(try integer(UInt8.self))))
    }

    /// A name that is shown to people and used as a path: UTF-8 without a zero octet.
    mutating func nameText() throws(AgentProtocolFailure) -> String {
        try Self.text(try name())
    }

    mutating func text() throws(AgentProtocolFailure) -> String {
        let count = Int(try integer(UInt16.self))
        guard count <= AgentProtocol.maximumTextLength else { throw .tooLong }
        // A text may have been cut in the middle of a character, which is no reason to refuse it.
        return String(decoding: try octets(count), as: UTF8.self)
    }

    private static func text(_ octets: [UInt8]) throws(AgentProtocolFailure) -> String {
        guard !octets.contains(0), let text = String(validating: octets, as: UTF8.self) else { throw .invalidValue }
        return text
    }

    /// Every body is read to its end.
    func finish() throws(AgentProtocolFailure) {
        guard position == octets.endIndex else { throw .trailingOctets }
    }
}
