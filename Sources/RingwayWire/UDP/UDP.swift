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
    /// Bytes in the header.
    @inlinable public static var length: Int { 8 }
    /// The offset of the checksum.
    @inlinable public static var checksumOffset: Int { 6 }

    @usableFromInline let base: UnsafeRawPointer

    /// The length of header and payload: the length field, already checked against the buffer.
    public let datagramLength: Int

    /// `nil` if the length field is less than eight bytes or exceeds `bytes`. Bytes after the datagram are ignored.
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
    /// The checksum field. Zero means that the sender computed no checksum, which only IPv4 permits.
    @inlinable public var checksum: UInt16 { base.word16(Self.checksumOffset) }
    /// The payload.
    @inlinable public var payload: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Self.length, count: datagramLength &- Self.length)
    }
}

/// The fields of a UDP header.
@frozen
public struct UDPFields: Equatable, Sendable, BitwiseCopyable {
    /// The sender's port.
    public var sourcePort: UInt16
    /// The receiver's port.
    public var destinationPort: UInt16
    /// Bytes after the header.
    public var payloadLength: UInt16

    /// The fields of a datagram.
    ///
    /// - Precondition: header and payload fit in 65535 bytes.
    @inlinable
    public init(sourcePort: UInt16, destinationPort: UInt16, payloadLength: Int) {
        precondition(payloadLength >= 0 && payloadLength <= 65535 - 8, "payload does not fit a UDP datagram")
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.payloadLength = UInt16(truncatingIfNeeded: payloadLength)
    }

    /// Writes eight bytes with a zero checksum.
    @inlinable
    public func write(to target: UnsafeMutableRawPointer) {
        target.store16(sourcePort, 0)
        target.store16(destinationPort, 2)
        target.store16(payloadLength &+ 8, 4)
        target.store16(0, 6)
    }
}
