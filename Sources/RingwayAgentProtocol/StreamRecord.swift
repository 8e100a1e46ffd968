/// The format in which a channel carries a connection's data: records, each a header with the payload's length, and
/// the payload.
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
/// An empty datagram has the header 0x8000_0000, because a header of zero ends the direction.
public enum StreamRecord {
    /// Bytes of the header.
    @inlinable public static var headerLength: Int { 4 }

    /// The longest payload in bytes. A header with a greater value is an error, unless it is `emptyDatagram`.
    @inlinable public static var maximumLength: UInt32 { 1 << 24 }

    /// The longest payload of a datagram in bytes.
    @inlinable public static var maximumDatagramLength: Int { 65_535 }

    /// The header that ends a direction.
    @inlinable public static var end: UInt32 { 0 }

    /// The header of a datagram without payload.
    @inlinable public static var emptyDatagram: UInt32 { 0x8000_0000 }

    /// The header, in host order, of the record that carries a datagram of `length` bytes.
    @inlinable
    public static func header(ofDatagram length: Int) -> UInt32 { length == 0 ? emptyDatagram : UInt32(length) }

    /// The length in bytes of the payload behind the header (in host order) of a datagram's record: zero for `end`
    /// and `emptyDatagram`, `nil` if it exceeds `maximumDatagramLength`.
    @inlinable
    public static func datagramLength(behind header: UInt32) -> Int? {
        if header == end || header == emptyDatagram { return 0 }
        return Int(header) <= maximumDatagramLength ? Int(header) : nil
    }
}
