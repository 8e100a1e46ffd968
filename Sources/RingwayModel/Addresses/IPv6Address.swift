/// An IPv6 address as two integers in host order.
@frozen
public struct IPv6Address: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The first eight bytes: routing prefix and subnet.
    public var high: UInt64

    /// The last eight bytes: the interface identifier.
    public var low: UInt64

    /// An address from its halves in host order.
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The first 64 bits of `prefix` and the modified EUI-64 of `mac` (RFC 4291 appendix A).
    @inlinable
    public init(prefix: IPv6Address, interfaceIdentifierFrom mac: MACAddress) {
        high = prefix.high
        low = (mac.rawValue >> 24) << 40 | 0xFFFE << 24 | mac.rawValue & 0xFF_FFFF
        low ^= 0x0200_0000_0000_0000
    }

    /// The ethernet address from which the interface identifier was formed (RFC 4291 appendix A); `nil` if there is
    /// none.
    @inlinable public var embeddedMAC: MACAddress? {
        guard (low >> 24) & 0xFFFF == 0xFFFE else { return nil }
        let identifier = low ^ 0x0200_0000_0000_0000
        return MACAddress(rawValue: (identifier >> 40) << 24 | identifier & 0xFF_FFFF)
    }

    /// Numerical order.
    @inlinable
    public static func < (lhs: Self, rhs: Self) -> Bool {
        lhs.high == rhs.high ? lhs.low < rhs.low : lhs.high < rhs.high
    }

    /// `::`.
    @inlinable public static var unspecified: Self { Self(high: 0, low: 0) }

    /// `::1`.
    @inlinable public static var loopback: Self { Self(high: 0, low: 1) }

    /// In `ff00::/8`.
    @inlinable public var isMulticast: Bool { high >> 56 == 0xFF }

    /// `::1`.
    @inlinable public var isLoopback: Bool { high == 0 && low == 1 }

    /// In `fe80::/10`.
    @inlinable public var isLinkLocal: Bool { high >> 54 == 0x3FA }

    /// `::`.
    @inlinable public var isUnspecified: Bool { high | low == 0 }

    /// In `::ffff:0:0/96`. Such an address never belongs on a wire (RFC 4942 §2.2).
    @inlinable public var isIPv4Mapped: Bool { high == 0 && low >> 32 == 0xFFFF }
}

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
                guard count <= 6, group.endIndex == rest.endIndex, let quad = IPv4Address(text: group) else {
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

    /// The first longest run of two or more zero groups; empty if no two neighbouring groups are zero.
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
