/// The format of ethernet frames on a frame channel.
///
///      0               4                     16
///     +---------------+---------------------+------------------+
///     | bytes         | virtio-net header   | ethernet frame   |
///     +---------------+---------------------+------------------+
///
/// The length counts header and frame. A frame is in the format of a TAP device: checksums may be partial, and a
/// super-frame of up to 64 KiB is sent whole, with its segment size in the virtio-net header (virtio 1.0, with
/// `num_buffers`). An invalid length means that the two sides are out of sync, and ends the channel.
public enum AgentFrame {
    /// Bytes before header and frame.
    @inlinable public static var prefixLength: Int { 4 }

    /// A virtio-net header and the fourteen bytes of an ethernet header.
    @inlinable public static var minimumLength: Int { 26 }

    /// A virtio-net header, an ethernet header with a VLAN tag, and an IP packet of 65,535 bytes.
    @inlinable public static var maximumLength: Int { 12 + 18 + 65_535 }

    /// The valid lengths.
    @inlinable public static var lengths: ClosedRange<Int> { minimumLength...maximumLength }

    /// The length in a prefix, valid or not.
    @inlinable
    public static func readPrefix(_ source: UnsafeRawPointer) -> Int {
        Int(UInt32(littleEndian: source.loadUnaligned(as: UInt32.self)))
    }

    /// Writes the prefix of a frame with this length.
    @inlinable
    public static func writePrefix(_ length: Int, to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: UInt32(truncatingIfNeeded: length).littleEndian, as: UInt32.self)
    }
}
