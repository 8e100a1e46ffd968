/// The format of ethernet frames on a frame channel.
///
///      0               4                     16
///     +---------------+---------------------+------------------+
///     | bytes         | virtio-net header   | ethernet frame   |
///     +---------------+---------------------+------------------+
///
/// `bytes` (little-endian) counts the virtio-net header and the ethernet frame. The header has twelve bytes (virtio
/// 1.0, with `num_buffers`). As on a TAP device, checksums may be partial, and a super-frame of up to 64 KiB is sent
/// whole, with its segment size in the header. A length outside `lengths` means that the two sides are out of sync,
/// and ends the channel.
public enum AgentFrame {
    /// The length of the prefix, which is the field `bytes`.
    @inlinable public static var prefixLength: Int { 4 }

    /// The least value of the prefix: a virtio-net header (12 bytes) and an ethernet header (14).
    @inlinable public static var minimumLength: Int { 26 }

    /// The greatest value of the prefix: a virtio-net header (12 bytes), an ethernet header with a VLAN tag (18) and
    /// an IP packet of 65,535 bytes.
    @inlinable public static var maximumLength: Int { 12 + 18 + 65_535 }

    /// The valid values of the prefix.
    @inlinable public static var lengths: ClosedRange<Int> { minimumLength...maximumLength }

    /// Reads a prefix, without checking that its value is in `lengths`.
    @inlinable
    public static func readPrefix(_ source: UnsafeRawPointer) -> Int {
        Int(UInt32(littleEndian: source.loadUnaligned(as: UInt32.self)))
    }

    /// Writes a prefix. `length` counts the virtio-net header and the ethernet frame.
    @inlinable
    public static func writePrefix(_ length: Int, to target: UnsafeMutableRawPointer) {
        target.storeBytes(of: UInt32(truncatingIfNeeded: length).littleEndian, as: UInt32.self)
    }
}
