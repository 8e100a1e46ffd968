/// The format of a dialled connection: records, each with a header that contains the payload's length.
///
///      0               4
///     +---------------+----------------------+
///     | bytes         | payload              |
///     +---------------+----------------------+
///
/// For a byte stream, the sender puts the data that it has into a record; for UDP, each datagram is exactly one
/// record. A record without payload ends its direction: the sender has read end of file from the socket whose data it
/// sends. The other direction continues. When both directions have ended, the channel is closed. If the channel
/// closes earlier, the connection was reset. The receiver can therefore tell half-close from reset, which the
/// channel's own end of file cannot express.
///
/// An empty datagram is the exception: its header is 0x8000_0000, because zero would be the end.
public enum StreamRecord {
    /// Bytes of the header.
    @inlinable public static var headerLength: Int { 4 }

    /// The longest payload in bytes; a larger header is an error, except `emptyDatagram`.
    @inlinable public static var maximumLength: UInt32 { 1 << 24 }

    /// The longest datagram.
    @inlinable public static var maximumDatagramLength: Int { 65_535 }

    /// The header that ends a direction.
    @inlinable public static var end: UInt32 { 0 }

    /// The header of a datagram without payload.
    @inlinable public static var emptyDatagram: UInt32 { 0x8000_0000 }

    /// The header of a datagram's record, in host order.
    @inlinable
    public static func header(ofDatagram length: Int) -> UInt32 { length == 0 ? emptyDatagram : UInt32(length) }

    /// The bytes of payload in a datagram's record with this header (in host order); `nil` if out of bounds.
    @inlinable
    public static func datagramLength(behind header: UInt32) -> Int? {
        if header == end || header == emptyDatagram { return 0 }
        return Int(header) <= maximumDatagramLength ? Int(header) : nil
    }
}
