/// How the bytes of a dialled connection travel: in records, each a header and as many bytes as it says.
///
///      0               4
///     +---------------+----------------------+
///     | bytes         | payload              |
///     +---------------+----------------------+
///
/// The sender makes a record of what it has at the time; of a datagram it makes exactly one. A record without payload
/// is the end of its direction: the sender's peer has closed, or half closed. The other direction goes on. When both
/// have ended the channel is closed. A channel that closes before that means a reset: so half-close and reset can be
/// told apart in every order, which the ends of a stream alone do not allow.
///
/// An empty datagram is the one exception: its record says 0x8000_0000, because zero would be the end.
public enum StreamRecord {
    /// Bytes of the header.
    @inlinable public static var headerLength: Int { 4 }

    /// The longest payload; a header that says more is an error.
    @inlinable public static var maximumLength: UInt32 { 1 << 24 }

    /// The longest datagram.
    @inlinable public static var maximumDatagramLength: Int { 65_535 }

    /// The header of a direction's end.
    @inlinable public static var end: UInt32 { 0 }

    /// The header of a datagram without payload.
    @inlinable public static var emptyDatagram: UInt32 { 0x8000_0000 }

    /// The header of a datagram's record, in host order.
    @inlinable
    public static func header(ofDatagram length: Int) -> UInt32 { length == 0 ? emptyDatagram : UInt32(length) }

    /// Bytes of payload behind the header of a datagram's record, in host order; `nil` when it is out of bounds.
    @inlinable
    public static func datagramLength(behind header: UInt32) -> Int? {
        if header == end || header == emptyDatagram { return 0 }
        return Int(header) <= maximumDatagramLength ? Int(header) : nil
    }
}
