/// A 48-bit ethernet address, held in the low bits of an integer in host order, so that comparison is one instruction.
///
/// `02:00:00:00:00:01` is `0x0200_0000_0001`.
@frozen
public struct MACAddress: Hashable, Sendable, BitwiseCopyable {
    /// The address in the low 48 bits; the high 16 are zero.
    public var rawValue: UInt64

    /// Takes the low 48 bits of `rawValue` and ignores the rest.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue & 0xFFFF_FFFF_FFFF
    }

    /// `ff:ff:ff:ff:ff:ff`.
    @inlinable public static var broadcast: Self { Self(rawValue: 0xFFFF_FFFF_FFFF) }

    /// Whether the group bit is set; true of the broadcast address too.
    @inlinable public var isMulticast: Bool { rawValue & 0x0100_0000_0000 != 0 }

    /// Whether the address was assigned by an administrator rather than by a manufacturer.
    @inlinable public var isLocallyAdministered: Bool { rawValue & 0x0200_0000_0000 != 0 }
}

extension MACAddress: CustomStringConvertible, LosslessStringConvertible {
    /// Accepts six groups of one or two hexadecimal digits, separated by `:` or by `-` throughout.
    public init?(_ text: String) {
        var value: UInt64 = 0
        var group: UInt64 = 0
        var digits = 0
        var groups = 1
        var separator: UInt8?
        for character in text.utf8 {
            if let digit = ASCII.hexadecimalValue(of: character) {
                guard digits < 2 else { return nil }
                group = group << 4 | UInt64(digit)
                digits += 1
            } else {
                guard character == UInt8(ascii: ":") || character == UInt8(ascii: "-"),
                    separator == nil || separator == character, digits > 0, groups < 6
                else { return nil }
                separator = character
                value = value << 8 | group
                (group, digits) = (0, 0)
                groups += 1
            }
        }
        guard groups == 6, digits > 0 else { return nil }
        self.init(rawValue: value << 8 | group)
    }

    /// Six lower-case groups separated by colons.
    public var description: String {
        var text = ""
        text.reserveCapacity(17)
        for shift in stride(from: 40, through: 0, by: -8) {
            let byte = UInt8(truncatingIfNeeded: rawValue >> UInt64(shift))
            if byte < 0x10 { text += "0" }
            text += String(byte, radix: 16)
            if shift > 0 { text += ":" }
        }
        return text
    }
}
