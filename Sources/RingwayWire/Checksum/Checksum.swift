internal import CRingway
public import RingwayModel

/// The Internet checksum (RFC 1071).
///
/// A *partial sum* is any 64-bit integer congruent, modulo 65535, to the sum of the data read as 16-bit words **in the
/// machine's own byte order**. RFC 1071 §2(B) permits this: swapping the bytes of every word swaps the bytes of the
/// sum. Loads and stores therefore need no byte swap. The result of `finish` is stored unchanged by
/// `storeBytes(of:as:)`, without `bigEndian`.
///
///     let sum = Checksum.pseudoHeader(source: a, destination: b, protocolNumber: 6, length: segment.count)
///     let checksum = Checksum.finish(Checksum.partial(segment, initial: sum))
///     target.storeBytes(of: checksum, toByteOffset: TCPHeader.checksumOffset, as: UInt16.self)
public enum Checksum {
    /// Adds bytes to a partial sum. If data is summed in parts, the sum of a part that starts at an odd offset must be
    /// passed through `shifted`.
    public static func partial(_ bytes: UnsafeRawBufferPointer, initial: UInt64 = 0) -> UInt64 {
        _unsafePerformance { ringway_checksum_partial(bytes.baseAddress, bytes.count, initial) }
    }

    /// Copies bytes to `target`, which must not overlap them, and adds them to a partial sum.
    public static func copy(
        _ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer, initial: UInt64 = 0
    ) -> UInt64 {
        _unsafePerformance { ringway_checksum_copy(target, bytes.baseAddress, bytes.count, initial) }
    }

    /// Folds a partial sum into 16 bits, without inverting it. If the summed data includes its checksum, the result is
    /// `0xFFFF` if that checksum is right.
    @inlinable
    public static func fold(_ sum: UInt64) -> UInt16 {
        var folded = (sum >> 32) &+ (sum & 0xFFFF_FFFF)
        folded = (folded >> 16) &+ (folded & 0xFFFF)
        folded = (folded >> 16) &+ (folded & 0xFFFF)
        folded = (folded >> 16) &+ (folded & 0xFFFF)
        return UInt16(truncatingIfNeeded: folded)
    }

    /// Folds and inverts a partial sum. The result, stored unchanged, is the checksum in network byte order.
    @inlinable
    public static func finish(_ sum: UInt64) -> UInt16 {
        ~fold(sum)
    }

    /// Like `finish`, but returns `0xFFFF` instead of zero, because in UDP zero means "no checksum" (RFC 768).
    @inlinable
    public static func finishUDP(_ sum: UInt64) -> UInt16 {
        let checksum = finish(sum)
        return checksum == 0 ? 0xFFFF : checksum
    }

    /// Swaps the bytes of a partial sum, so that the sum of a part that began at an odd offset can be added to others
    /// (RFC 1071 §2(B)).
    @inlinable
    public static func shifted(_ sum: UInt64) -> UInt64 {
        UInt64(fold(sum).byteSwapped)
    }

    /// Adds two partial sums.
    @inlinable
    public static func sum(_ first: UInt64, _ second: UInt64) -> UInt64 {
        let (total, overflow) = first.addingReportingOverflow(second)
        return overflow ? total &+ 1 : total
    }

    /// The partial sum of the pseudo-header (RFC 9293 §3.1, RFC 8200 §8.1). `length` counts transport header and
    /// payload.
    ///
    /// - Precondition: both addresses are of the same family.
    @inlinable
    public static func pseudoHeader(
        source: IPAddress, destination: IPAddress, protocolNumber: UInt8, length: Int
    ) -> UInt64 {
        var sum = UInt64(UInt16(protocolNumber).bigEndian)
        sum &+= UInt64(UInt32(truncatingIfNeeded: length).bigEndian)
        if source.isIPv4 {
            sum &+= UInt64(source.ipv4.rawValue.bigEndian)
            sum &+= UInt64(destination.ipv4.rawValue.bigEndian)
        } else {
            sum &+= halves(source.high.bigEndian) &+ halves(source.low.bigEndian)
            sum &+= halves(destination.high.bigEndian) &+ halves(destination.low.bigEndian)
        }
        return sum
    }

    /// The checksum to store for a whole TCP, UDP or ICMPv6 message whose own checksum field is zero.
    @inlinable
    public static func transport(
        _ message: UnsafeRawBufferPointer, source: IPAddress, destination: IPAddress, protocolNumber: UInt8
    ) -> UInt16 {
        let pseudoHeader = pseudoHeader(
            source: source, destination: destination, protocolNumber: protocolNumber, length: message.count)
        return finishUDP(partial(message, initial: pseudoHeader))
    }

    /// The partial sum of an IPv4 header, inlined because it is short.
    ///
    /// - Precondition: `length` is a multiple of four.
    @inlinable
    static func ipv4Header(_ header: UnsafeRawPointer, length: Int) -> UInt64 {
        var sum: UInt64 = 0
        var offset = 0
        while offset < length {
            sum &+= UInt64(header.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            offset &+= 4
        }
        return sum
    }

    @inlinable
    static func halves(_ value: UInt64) -> UInt64 {
        (value >> 32) &+ (value & 0xFFFF_FFFF)
    }
}
