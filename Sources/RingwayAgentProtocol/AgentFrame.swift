/// How ethernet frames travel on a channel for frames, one after another.
///
///      0               4                     16
///     +---------------+---------------------+------------------+
///     | bytes         | virtio-net header   | ethernet frame   |
///     +---------------+---------------------+------------------+
///
/// The length counts header and frame. A frame is what a TAP device gives and takes: checksums may be partial, and a
/// super-frame of up to 64 KiB goes whole, with the size of its segments in the virtio-net header (virtio 1.0, with
/// `num_buffers`). A length out of bounds means that the two sides are out of step, and ends the channel.
public enum AgentFrame {
    /// Bytes before header and frame.
    @inlinable public static var prefixLength: Int { 4 }

    /// A virtio-net header and the fourteen bytes of an ethernet header.
    @inlinable public static var minimumLength: Int { 26 }

    /// A virtio-net header, an ethernet header with a VLAN tag, and an IP packet of 64 KiB.
    @inlinable public static var maximumLength: Int { 12 + 18 + 65_535 }

    /// The lengths that a prefix may say.
    @inlinable public static var lengths: ClosedRange<Int> { minimumLength...maximumLength }

    /// The length that a prefix says, whatever it is.
    @inlinable
    public static func readPrefix(_ source: UnsafeRawPointer) -> Int {
        Int(UInt32(littleEndian: source.loadUnaligned(as: UInt32.self)))
    }

    /// Writes the prefix of a frame with so many bytes of header and frame.
    @inlinable
    public static func writePrefix(_ length: Int, to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: UInt32(truncatingIfNeeded: length).littleEndian, as: UInt32.self)
    }
}
