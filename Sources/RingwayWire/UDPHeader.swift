/// A checked view of a UDP header and its payload (RFC 768). The checksum is not verified.
///
///      0      7 8     15 16    23 24    31
///     +--------+--------+--------+--------+
///     |   source port   | destination port|
///     +--------+--------+--------+--------+
///     |     length      |    checksum     |
///     +--------+--------+--------+--------+
@frozen
public struct UDPHeader: BitwiseCopyable {
    /// Octets in the header.
    @inlinable public static var length: Int { 8 }
    /// Where the checksum is.
    @inlinable public static var checksumOffset: Int { 6 }

    @usableFromInline let base: UnsafeRawPointer

    /// Octets in header and payload: the length field, already checked against the buffer.
    public let datagramLength: Int

    /// Returns `nil` when `bytes` cannot hold the datagram its length field claims. Octets after it are ignored.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length else { return nil }
        let claimed = Int(base.word16(4))
        guard claimed >= Self.length, claimed <= bytes.count else { return nil }
        self.base = base
        datagramLength = claimed
    }

    /// The sender's port.
    @inlinable public var sourcePort: UInt16 { base.word16(0) }
    /// The receiver's port.
    @inlinable public var destinationPort: UInt16 { base.word16(2) }
    /// Zero means "the sender computed no checksum" and is legal over IPv4 only.
    @inlinable public var checksum: UInt16 { base.word16(Self.checksumOffset) }
    /// What follows the header.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: datagramLength &- Self.length)
    }
}
