extension IPv6Address: LosslessStringConvertible {
    /// Accepts every form of RFC 4291 §2.2, the trailing dotted quad included; refuses a zone.
    public init?(_ text: String) {
        var rest = text.utf8[...]
        var groups = InlineArray<8, UInt16>(repeating: 0)
        var count = 0
        var gap: Int?

        if rest.starts(with: "::".utf8) {
            gap = 0
            rest = rest.dropFirst(2)
        }
        while !rest.isEmpty {
            guard count < 8 else { return nil }
            let group = rest.prefix { $0 != UInt8(ascii: ":") }
            if group.contains(UInt8(ascii: ".")) {
                guard count <= 6, group.endIndex == rest.endIndex, let quad = IPv4Address(octets: group) else {
                    return nil
                }
                groups[count] = UInt16(truncatingIfNeeded: quad.rawValue >> 16)
                groups[count + 1] = UInt16(truncatingIfNeeded: quad.rawValue)
                count += 2
                break
            }
            guard let value = Self.group(group) else { return nil }
            groups[count] = value
            count += 1
            rest = rest[group.endIndex...]
            guard rest.popFirst() != nil else { break }
            if rest.first == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = count
                rest = rest.dropFirst()
            } else if rest.isEmpty {
                return nil
            }
        }
        // A "::" stands for at least one group.
        guard gap == nil ? count == 8 : count < 8 else { return nil }

        self.init(high: 0, low: 0)
        let tail = count - (gap ?? count)
        for index in 0..<count {
            let place = index < count - tail ? index : 8 - count + index
            let shift = UInt64(3 - place % 4) * 16
            if place < 4 { high |= UInt64(groups[index]) << shift } else { low |= UInt64(groups[index]) << shift }
        }
    }

    private static func group(_ digits: some Collection<UInt8>) -> UInt16? {
        guard !digits.isEmpty, digits.count <= 4 else { return nil }
        var value: UInt16 = 0
        for character in digits {
            guard let digit = ASCII.hexadecimalValue(of: character) else { return nil }
            value = value << 4 | UInt16(digit)
        }
        return value
    }
}

extension IPv6Address: CustomStringConvertible {
    /// The canonical form of RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups
    /// as `::`, and a dotted quad for IPv4-mapped addresses.
    public var description: String {
        if isIPv4Mapped {
            return "::ffff:\(IPv4Address(rawValue: UInt32(truncatingIfNeeded: low)))"
        }
        let run = longestZeroRun
        var text = ""
        var index = 0
        while index < 8 {
            if index == run.lowerBound, !run.isEmpty {
                text += "::"
                index = run.upperBound
                continue
            }
            if !text.isEmpty, !text.hasSuffix(":") { text += ":" }
            text += String(group(at: index), radix: 16)
            index += 1
        }
        return text
    }

    private func group(at index: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (index < 4 ? high : low) >> (UInt64(3 - index % 4) * 16))
    }

    /// Empty when no two neighbouring groups are zero.
    private var longestZeroRun: Range<Int> {
        var longest = 0..<0
        var start = 0
        for index in 0..<8 {
            guard group(at: index) == 0 else {
                start = index + 1
                continue
            }
            if index + 1 - start > max(longest.count, 1) { longest = start..<index + 1 }
        }
        return longest
    }
}
