/// How the octets of a dialled connection travel: in records, each of four octets and as many octets as they say.
///
///      0               4
///     +---------------+----------------------+
///     | octets        | payload              |
///     +---------------+----------------------+
///
/// The sender makes a record of what it has at the time; of a datagram it makes exactly one. A record without payload
/// is the end of its direction: the sender's peer has closed, or half closed. The other direction goes on. When both
/// have ended the conversation is closed. A conversation that closes before that tells of a reset: so half-close and
/// reset can be told apart in every order, which the ends of a stream alone do not allow.
///
/// An empty datagram is the one exception: its record says 0x8000_0000, because zero would be the end.
public enum StreamRecord {
    /// Octets before the payload.
    public static var headerLength: Int { 4 }

    /// The longest payload; a peer that says more is not believed.
    public static var maximumLength: UInt32 { 1 << 24 }

    /// The longest datagram.
    public static var maximumDatagramLength: Int { 65_535 }

    /// The header of a direction's end.
    public static var end: UInt32 { 0 }

    /// The header of a datagram without payload.
    public static var emptyDatagram: UInt32 { 0x8000_0000 }
}

/// How ethernet frames travel on a conversation for frames, one after another.
///
///      0               4                     16
///     +---------------+---------------------+------------------+
///     | octets        | virtio-net header   | ethernet frame   |
///     +---------------+---------------------+------------------+
///
/// The length counts header and frame. A frame is what a TAP device gives and takes: checksums may be partial, and a
/// super-frame of up to 64 KiB goes whole, with the size of its segments in the virtio-net header (virtio 1.0, with
/// `num_buffers`). A length out of bounds means that the two sides have lost each other, and ends the conversation.
public enum AgentFrame {
    /// Octets before header and frame.
    public static var prefixLength: Int { 4 }

    /// A virtio-net header and the fourteen octets of an ethernet header.
    public static var minimumLength: Int { 26 }

    /// A virtio-net header, an ethernet header with a VLAN tag, and an IP packet of 64 KiB.
    public static var maximumLength: Int { 12 + 18 + 65_535 }
}
