/// An IPv4 address, held in host order so that comparison and masking are integer arithmetic.
@frozen
public struct IPv4Address: Hashable, Comparable, Sendable, BitwiseCopyable {
    /// `192.168.127.1` is `0xC0A8_7F01`.
    public var rawValue: UInt32

    /// An address from its integer in host order.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// An address from its four bytes, as it is written.
    @inlinable
    public init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        rawValue = UInt32(first) << 24 | UInt32(second) << 16 | UInt32(third) << 8 | UInt32(fourth)
    }

    /// Numerical order.
    @inlinable public static func < (lhs: Self, rhs: Self) -> Bool { lhs.rawValue < rhs.rawValue }

    /// `0.0.0.0`.
    @inlinable public static var unspecified: Self { Self(rawValue: 0) }

    /// `127.0.0.1`.
    @inlinable public static var loopback: Self { Self(rawValue: 0x7F00_0001) }

    /// The limited broadcast address, `255.255.255.255`.
    @inlinable public static var broadcast: Self { Self(rawValue: 0xFFFF_FFFF) }

    /// In `224.0.0.0/4` (RFC 5771).
    @inlinable public var isMulticast: Bool { rawValue >> 28 == 0xE }

    /// In `127.0.0.0/8`.
    @inlinable public var isLoopback: Bool { rawValue >> 24 == 127 }

    /// In `169.254.0.0/16` (RFC 3927).
    @inlinable public var isLinkLocal: Bool { rawValue >> 16 == 0xA9FE }

    /// `0.0.0.0`.
    @inlinable public var isUnspecified: Bool { rawValue == 0 }

    /// Whether the address is 255.255.255.255. A subnet's broadcast address is not recognised, because that depends on
    /// the subnet.
    @inlinable public var isBroadcast: Bool { rawValue == 0xFFFF_FFFF }
}

extension IPv4Address: CustomStringConvertible, LosslessStringConvertible {
    /// Accepts four decimal bytes without leading zeros, and nothing else.
    public init?(_ text: String) {
        self.init(text: text.utf8)
    }

    init?(text: some Collection<UInt8>) {
        var value: UInt32 = 0
        var count = 0
        for part in text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false) {
            guard count < 4, let byte = ASCII.decimal(part, limit: 255) else { return nil }
            value = value << 8 | UInt32(byte)
            count += 1
        }
        guard count == 4 else { return nil }
        self.init(rawValue: value)
    }

    /// Dotted decimal.
    public var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 0xFF).\(rawValue >> 8 & 0xFF).\(rawValue & 0xFF)"
    }
}
