/// Parses digits in the text forms of addresses and ports.
enum ASCII {
    static func hexadecimalValue(of character: UInt8) -> UInt8? {
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    /// A decimal number without sign, without leading zeros and not above `limit`; `nil` for other text.
    static func decimal(_ characters: some Collection<UInt8>, limit: Int) -> Int? {
        guard !characters.isEmpty, characters.count == 1 || characters.first != UInt8(ascii: "0") else { return nil }
        var value = 0
        for character in characters {
            guard character >= UInt8(ascii: "0"), character <= UInt8(ascii: "9") else { return nil }
            value = value * 10 + Int(character - UInt8(ascii: "0"))
            guard value <= limit else { return nil }
        }
        return value
    }
}
