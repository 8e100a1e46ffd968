/// The control bits of a TCP header (RFC 9293 §3.1, RFC 3168 §6.1).
@frozen
public struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The octet as the wire carries it.
    public var rawValue: UInt8

    /// Flags from the octet.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The sender has no more to send.
    @inlinable public static var fin: Self { Self(rawValue: 0x01) }
    /// Synchronise sequence numbers.
    @inlinable public static var syn: Self { Self(rawValue: 0x02) }
    /// The connection is gone.
    @inlinable public static var rst: Self { Self(rawValue: 0x04) }
    /// Deliver without waiting for more.
    @inlinable public static var psh: Self { Self(rawValue: 0x08) }
    /// The acknowledgement field is meaningful.
    @inlinable public static var ack: Self { Self(rawValue: 0x10) }
    /// The urgent pointer is meaningful.
    @inlinable public static var urg: Self { Self(rawValue: 0x20) }
    /// Congestion was experienced.
    @inlinable public static var ece: Self { Self(rawValue: 0x40) }
    /// The congestion window was reduced.
    @inlinable public static var cwr: Self { Self(rawValue: 0x80) }
}

extension TCPFlags: CustomStringConvertible {
    /// Names joined by `+`, as in `syn+ack`.
    public var description: String {
        let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"]
        return names.indices.filter { rawValue >> UInt8($0) & 1 == 1 }.map { names[$0] }.joined(separator: "+")
    }
}
