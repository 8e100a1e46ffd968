/// The blocks of a pcapng capture file (draft-ietf-opsawg-pcapng), written into memory that the caller provides. Only
/// what surrounds a frame is written here: the caller puts the frame between the packet's header and its trailer.
///
/// Blocks are in the machine's byte order, as the format allows. Timestamps are nanoseconds.
///
///     file header (once) | packet header | frame | packet trailer | packet header | frame | ...
public enum CaptureWriter {
    /// The direction of a packet, as in option `epb_flags`: frames from the guest are inbound, frames to it outbound.
    public enum Direction: UInt32, Sendable {
        /// From the guest.
        case fromGuest = 1
        /// To the guest.
        case toGuest = 2
    }

    /// LINKTYPE_ETHERNET.
    @inlinable public static var linkType: UInt16 { 1 }
    /// The most bytes of a frame that are captured. The longest frame has fewer (`Frame.maximumLength`).
    @inlinable public static var snapshotLength: Int { 262_144 }

    /// Bytes of a section header block and an interface description block.
    @inlinable public static var fileHeaderLength: Int { 28 + 32 }
    /// Bytes before a frame.
    @inlinable public static var packetHeaderLength: Int { 28 }
    /// The most bytes after a frame.
    @inlinable public static var packetTrailerLimit: Int { 3 + 12 + 4 }

    /// Bytes after a frame of `capturedLength` bytes: padding, direction, end of options, and repeated block length.
    @inlinable
    public static func packetTrailerLength(capturedLength: Int) -> Int {
        (0 &- capturedLength) & 3 &+ 16
    }

    /// Writes a section header block and the description of one ethernet interface, number zero.
    ///
    /// - Parameter snapLength: the most bytes of a frame that are captured.
    public static func writeFileHeader(to target: UnsafeMutableRawPointer, snapLength: Int = snapshotLength) {
        put32(0x0A0D_0D0A, target, 0)
        put32(28, target, 4)
        put32(0x1A2B_3C4D, target, 8)
        // Version 1.0.
        put32(UInt32(inMemoryOrder: 1, 0), target, 12)
        // The section's length is unknown.
        put32(.max, target, 16)
        put32(.max, target, 20)
        put32(28, target, 24)

        let interface = target + 28
        put32(1, interface, 0)
        put32(32, interface, 4)
        put32(UInt32(inMemoryOrder: linkType, 0), interface, 8)
        put32(UInt32(truncatingIfNeeded: snapLength), interface, 12)
        // Option if_tsresol: timestamps are in units of 10^-9 s.
        put32(UInt32(inMemoryOrder: 9, 1), interface, 16)
        put32(0, interface, 20)
        interface.store8(9, 20)
        put32(0, interface, 24)
        put32(32, interface, 28)
    }

    /// Writes the start of an enhanced packet block: `packetHeaderLength` bytes.
    ///
    /// - Precondition: `capturedLength` is at most `snapshotLength`.
    @inlinable
    public static func writePacketHeader(
        to target: UnsafeMutableRawPointer, nanosecondsSince1970: UInt64, capturedLength: Int, originalLength: Int
    ) {
        precondition(capturedLength >= 0 && capturedLength <= snapshotLength)
        put32(6, target, 0)
        put32(blockLength(capturedLength), target, 4)
        put32(0, target, 8)
        put32(UInt32(truncatingIfNeeded: nanosecondsSince1970 >> 32), target, 12)
        put32(UInt32(truncatingIfNeeded: nanosecondsSince1970), target, 16)
        put32(UInt32(truncatingIfNeeded: capturedLength), target, 20)
        put32(UInt32(truncatingIfNeeded: originalLength), target, 24)
    }

    /// Writes the end of an enhanced packet block and returns the number of bytes written: `packetTrailerLength`.
    @inlinable
    @discardableResult
    public static func writePacketTrailer(
        to target: UnsafeMutableRawPointer, capturedLength: Int, direction: Direction
    ) -> Int {
        let padding = (0 &- capturedLength) & 3
        for offset in 0..<padding { target.store8(0, offset) }
        let options = target + padding
        // Option epb_flags, then the end of options.
        put32(UInt32(inMemoryOrder: 2, 4), options, 0)
        put32(direction.rawValue, options, 4)
        put32(0, options, 8)
        put32(blockLength(capturedLength), options, 12)
        return padding &+ 16
    }

    /// Bytes of an interface statistics block.
    public static var statisticsLength: Int { 52 }

    /// Writes an interface statistics block, at the end of a file.
    ///
    /// - Parameters:
    ///   - received: the number of frames that were to be captured, including the dropped ones.
    ///   - dropped: the number of frames that are not in the file, because the buffer was full or a write failed.
    public static func writeStatistics(
        to target: UnsafeMutableRawPointer, nanosecondsSince1970: UInt64, received: UInt64, dropped: UInt64
    ) {
        put32(5, target, 0)
        put32(52, target, 4)
        put32(0, target, 8)
        put32(UInt32(truncatingIfNeeded: nanosecondsSince1970 >> 32), target, 12)
        put32(UInt32(truncatingIfNeeded: nanosecondsSince1970), target, 16)
        // Options isb_ifrecv and isb_ifdrop, then the end of options.
        put32(UInt32(inMemoryOrder: 4, 8), target, 20)
        target.storeBytes(of: received, toByteOffset: 24, as: UInt64.self)
        put32(UInt32(inMemoryOrder: 5, 8), target, 32)
        target.storeBytes(of: dropped, toByteOffset: 36, as: UInt64.self)
        put32(0, target, 44)
        put32(52, target, 48)
    }

    @inlinable
    static func blockLength(_ capturedLength: Int) -> UInt32 {
        let trailerLength = packetTrailerLength(capturedLength: capturedLength)
        return UInt32(truncatingIfNeeded: packetHeaderLength &+ capturedLength &+ trailerLength)
    }

    @inlinable
    static func put32(_ value: UInt32, _ target: UnsafeMutableRawPointer, _ offset: Int) {
        target.storeBytes(of: value, toByteOffset: offset, as: UInt32.self)
    }
}

extension UInt32 {
    /// Two consecutive 16-bit fields in host byte order.
    @inlinable
    init(inMemoryOrder first: UInt16, _ second: UInt16) {
        self = 1.littleEndian == 1 ? UInt32(first) | UInt32(second) << 16 : UInt32(first) << 16 | UInt32(second)
    }
}
