extension FixedWidthInteger {
    /// Parses a number without a sign. `init(_:radix:)` also accepts a leading "+" or "-", which the formats of
    /// addresses, ports and encoded bytes do not have.
    package init?(digits text: some StringProtocol, radix: Int = 10) {
        guard let first = text.utf8.first, first != UInt8(ascii: "+"), first != UInt8(ascii: "-") else { return nil }
        self.init(text, radix: radix)
    }
}
