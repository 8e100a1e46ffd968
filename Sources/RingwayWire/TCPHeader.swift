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
///     |                   options, 0 to 40 octets                     |
@frozen
public struct TCPHeader: BitwiseCopyable {
    /// Octets in a header without options.
    @inlinable public static var minimumLength: Int { 20 }
    /// Where the checksum is.
    @inlinable public static var checksumOffset: Int { 16 }

    @usableFromInline let base: UnsafeRawPointer
    @usableFromInline let count: Int

    /// Octets in the header, options included: 20 to 60.
    public let headerLength: Int

    /// Returns `nil` when `bytes`, a whole segment, cannot hold the header its data offset claims.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.minimumLength else { return nil }
        let headerLength = Int(base.octet(12) >> 4) &* 4
        guard headerLength >= Self.minimumLength, headerLength <= bytes.count else { return nil }
        self.base = base
        self.headerLength = headerLength
        count = bytes.count
    }

    /// The sender's port.
    @inlinable public var sourcePort: UInt16 { base.word16(0) }
    /// The receiver's port.
    @inlinable public var destinationPort: UInt16 { base.word16(2) }
    /// The first octet of payload, or of SYN.
    @inlinable public var sequence: SequenceNumber { SequenceNumber(base.word32(4)) }
    /// The next octet the sender expects; meaningful with `ack`.
    @inlinable public var acknowledgement: SequenceNumber { SequenceNumber(base.word32(8)) }
    /// The control bits.
    @inlinable public var flags: TCPFlags { TCPFlags(rawValue: base.octet(13)) }
    /// Octets the sender will take beyond `acknowledgement`, not yet scaled.
    @inlinable public var window: UInt16 { base.word16(14) }
    /// The checksum as the wire carries it.
    @inlinable public var checksum: UInt16 { base.word16(Self.checksumOffset) }
    /// Meaningful with `urg`.
    @inlinable public var urgentPointer: UInt16 { base.word16(18) }
    /// Options, still encoded; see `TCPOptions.parse`.
    @inlinable public var options: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.minimumLength, count: headerLength &- Self.minimumLength)
    }
    /// What follows the header.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + headerLength, count: count &- headerLength)
    }
}
