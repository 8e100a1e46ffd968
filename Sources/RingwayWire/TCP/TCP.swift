/// A checked view of a TCP segment (RFC 9293 §3.1). The checksum is not verified.
///
///      0       4       8               16                            31
///     +-------------------------------+-------------------------------+
///     |          source port          |       destination port        |
///     |                        sequence number                        |
///     |                     acknowledgement number                    |
///     +-------+-------+---------------+-------------------------------+
///     |offset | zero  |     flags     |            window             |
///     +-------+-------+---------------+-------------------------------+
///     |           checksum            |        urgent pointer         |
///     +-------------------------------+-------------------------------+
///     |                   options, 0 to 40 bytes                     |
@frozen
public struct TCPHeader: BitwiseCopyable {
    /// Bytes in a header without options.
    @inlinable public static var minimumLength: Int { 20 }
    /// The offset of the checksum.
    @inlinable public static var checksumOffset: Int { 16 }

    @usableFromInline let base: UnsafeRawPointer
    @usableFromInline let count: Int

    /// The length of the header, including options: 20 to 60 bytes.
    public let headerLength: Int

    /// Parses a whole segment. Returns `nil` if the data offset gives fewer than 20 bytes, or more than `bytes`
    /// contains.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.minimumLength else { return nil }
        let headerLength = Int(base.byte(12) >> 4) &* 4
        guard headerLength >= Self.minimumLength, headerLength <= bytes.count else { return nil }
        self.base = base
        self.headerLength = headerLength
        count = bytes.count
    }

    /// The sender's port.
    @inlinable public var sourcePort: UInt16 { base.word16(0) }
    /// The receiver's port.
    @inlinable public var destinationPort: UInt16 { base.word16(2) }
    /// The sequence number of the first byte of payload, or of SYN.
    @inlinable public var sequence: SequenceNumber { SequenceNumber(base.word32(4)) }
    /// The sequence number of the next byte that the sender expects. Valid if `ack` is set.
    @inlinable public var acknowledgement: SequenceNumber { SequenceNumber(base.word32(8)) }
    /// The control bits.
    @inlinable public var flags: TCPFlags { TCPFlags(rawValue: base.byte(13)) }
    /// The receive window beyond `acknowledgement`, unscaled.
    @inlinable public var window: UInt16 { base.word16(14) }
    /// The checksum field.
    @inlinable public var checksum: UInt16 { base.word16(Self.checksumOffset) }
    /// The distance from `sequence` to the end of urgent data, in bytes. Valid if `urg` is set.
    @inlinable public var urgentPointer: UInt16 { base.word16(18) }
    /// Options, still encoded; see `TCPOptions.parse`.
    @inlinable public var options: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.minimumLength, count: headerLength &- Self.minimumLength)
    }
    /// The payload.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + headerLength, count: count &- headerLength)
    }
}

/// The fields of a TCP header.
@frozen
public struct TCPFields: Equatable, Sendable, BitwiseCopyable {
    /// The sender's port.
    public var sourcePort: UInt16
    /// The receiver's port.
    public var destinationPort: UInt16
    /// The sequence number of the first byte of payload, or of SYN.
    public var sequence: SequenceNumber
    /// The next byte expected.
    public var acknowledgement: SequenceNumber
    /// The control bits.
    public var flags: TCPFlags
    /// Bytes of options that the caller writes after the header: a multiple of four, at most 40.
    public var optionsLength: UInt8
    /// The receive window beyond `acknowledgement`, already scaled down.
    public var window: UInt16

    /// The fields of a segment.
    ///
    /// - Precondition: `optionsLength` is a multiple of four and at most 40.
    @inlinable
    public init(
        sourcePort: UInt16, destinationPort: UInt16, sequence: SequenceNumber, acknowledgement: SequenceNumber,
        flags: TCPFlags, window: UInt16, optionsLength: Int = 0
    ) {
        precondition(optionsLength & 3 == 0 && optionsLength >= 0 && optionsLength <= 40)
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.sequence = sequence
        self.acknowledgement = acknowledgement
        self.flags = flags
        self.optionsLength = UInt8(truncatingIfNeeded: optionsLength)
        self.window = window
    }

    /// The length of the header, including options.
    @inlinable public var headerLength: Int { 20 &+ Int(optionsLength) }

    /// Writes the twenty bytes before the options, with a zero checksum.
    @inlinable @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        target.store16(sourcePort, 0)
        target.store16(destinationPort, 2)
        target.store32(sequence.rawValue, 4)
        target.store32(acknowledgement.rawValue, 8)
        target.store8((5 &+ optionsLength / 4) << 4, 12)
        target.store8(flags.rawValue, 13)
        target.store16(window, 14)
        target.store32(0, 16)
    }
}

/// The control bits of a TCP header (RFC 9293 §3.1, RFC 3168 §6.1).
@frozen
public struct TCPFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Byte 13 of the header: CWR to FIN.
    public var rawValue: UInt8

    /// Flags from the byte.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The sender has finished sending.
    @inlinable public static var fin: Self { Self(rawValue: 0x01) }
    /// Synchronises sequence numbers.
    @inlinable public static var syn: Self { Self(rawValue: 0x02) }
    /// The connection is reset.
    @inlinable public static var rst: Self { Self(rawValue: 0x04) }
    /// Push: deliver without waiting for more data.
    @inlinable public static var psh: Self { Self(rawValue: 0x08) }
    /// The acknowledgement field is valid.
    @inlinable public static var ack: Self { Self(rawValue: 0x10) }
    /// The urgent pointer is valid.
    @inlinable public static var urg: Self { Self(rawValue: 0x20) }
    /// Congestion was experienced.
    @inlinable public static var ece: Self { Self(rawValue: 0x40) }
    /// The congestion window was reduced.
    @inlinable public static var cwr: Self { Self(rawValue: 0x80) }
}

extension TCPFlags: CustomStringConvertible {
    /// The names of the flags joined by `+`, as in `syn+ack`.
    public var description: String {
        let names = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"]
        return names.indices.filter { rawValue >> UInt8($0) & 1 == 1 }.map { names[$0] }.joined(separator: "+")
    }
}
