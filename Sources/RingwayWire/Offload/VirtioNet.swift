/// A checked view of the virtio-net header that precedes every frame and describes its offloads (virtio 1.2 §5.1.6).
///
/// Twelve bytes, little endian, as the kernel's `virtio_net_hdr_mrg_rxbuf`.
///
///      0       1        2              4          6               8                10             12
///     +-------+--------+--------------+----------+---------------+----------------+--------------+
///     | flags |gso type| header length| gso size |checksum start |checksum offset | buffer count |
///     +-------+--------+--------------+----------+---------------+----------------+--------------+
@frozen
public struct VirtioNetHeader: BitwiseCopyable {
    /// Bytes in the header.
    @inlinable public static var length: Int { 12 }

    /// Flag: the checksum at `checksumStart + checksumOffset` is partial (pseudo-header only).
    @inlinable public static var needsChecksum: UInt8 { 1 }
    /// Flag: the checksum has been verified already.
    @inlinable public static var dataValid: UInt8 { 2 }

    /// Segmentation: an ordinary frame.
    @inlinable public static var gsoNone: UInt8 { 0 }
    /// Segmentation: a TCP super-frame over IPv4.
    @inlinable public static var gsoTCPv4: UInt8 { 1 }
    /// Segmentation: one UDP datagram, to be fragmented.
    @inlinable public static var gsoUDP: UInt8 { 3 }
    /// Segmentation: a TCP super-frame over IPv6.
    @inlinable public static var gsoTCPv6: UInt8 { 4 }
    /// Segmentation: several UDP datagrams of `gsoSize` bytes of payload each; the last one may be shorter.
    @inlinable public static var gsoUDPL4: UInt8 { 5 }
    /// ECN, combined with the TCP types: only the first segment has CWR (RFC 3168).
    @inlinable public static var gsoECN: UInt8 { 0x80 }

    @usableFromInline let base: UnsafeRawPointer

    /// `nil` if there are fewer than twelve bytes.
    @inlinable
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, bytes.count >= Self.length else { return nil }
        self.base = base
    }

    /// A combination of `needsChecksum` and `dataValid`.
    @inlinable public var flags: UInt8 { base.byte(0) }
    /// One of the `gso` constants, possibly combined with `gsoECN`.
    @inlinable public var gsoType: UInt8 { base.byte(1) }
    /// The length of all headers. It is only a hint, and is not trusted.
    @inlinable public var headerLength: UInt16 { word(2) }
    /// Bytes of payload in each segment.
    @inlinable public var gsoSize: UInt16 { word(4) }
    /// The offset at which summing starts, counted from the ethernet header.
    @inlinable public var checksumStart: UInt16 { word(6) }
    /// The offset of the checksum, counted from `checksumStart`.
    @inlinable public var checksumOffset: UInt16 { word(8) }
    /// The number of receive buffers that the frame occupies (`num_buffers`).
    @inlinable public var bufferCount: UInt16 { word(10) }

    @inlinable
    func word(_ offset: Int) -> UInt16 {
        UInt16(littleEndian: base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
    }
}

/// The fields of a virtio-net header. The default is an ordinary frame without offloads.
@frozen
public struct VirtioNetFields: Equatable, Sendable, BitwiseCopyable {
    /// A combination of `VirtioNetHeader.needsChecksum` and `VirtioNetHeader.dataValid`.
    public var flags: UInt8
    /// One of the `VirtioNetHeader.gso` constants.
    public var gsoType: UInt8
    /// Bytes of headers before the payload.
    public var headerLength: UInt16
    /// Bytes of payload in each segment.
    public var gsoSize: UInt16
    /// The offset at which summing starts, counted from the ethernet header.
    public var checksumStart: UInt16
    /// The offset of the checksum, counted from `checksumStart`.
    public var checksumOffset: UInt16
    /// The number of receive buffers that the frame occupies. A virtio driver expects 1, a TAP device ignores the
    /// field.
    public var bufferCount: UInt16

    /// Header fields; omitted ones are zero.
    @inlinable
    public init(
        flags: UInt8 = 0, gsoType: UInt8 = 0, headerLength: UInt16 = 0, gsoSize: UInt16 = 0, checksumStart: UInt16 = 0,
        checksumOffset: UInt16 = 0, bufferCount: UInt16 = 0
    ) {
        self.flags = flags
        self.gsoType = gsoType
        self.headerLength = headerLength
        self.gsoSize = gsoSize
        self.checksumStart = checksumStart
        self.checksumOffset = checksumOffset
        self.bufferCount = bufferCount
    }

    /// The fields of a header.
    @inlinable
    public init(_ header: VirtioNetHeader) {
        self.init(
            flags: header.flags, gsoType: header.gsoType, headerLength: header.headerLength, gsoSize: header.gsoSize,
            checksumStart: header.checksumStart, checksumOffset: header.checksumOffset, bufferCount: header.bufferCount)
    }

    /// Writes twelve bytes.
    @inlinable @inline(__always)
    public func write(to target: UnsafeMutableRawPointer) {
        target.store8(flags, 0)
        target.store8(gsoType, 1)
        target.storeBytes(of: headerLength.littleEndian, toByteOffset: 2, as: UInt16.self)
        target.storeBytes(of: gsoSize.littleEndian, toByteOffset: 4, as: UInt16.self)
        target.storeBytes(of: checksumStart.littleEndian, toByteOffset: 6, as: UInt16.self)
        target.storeBytes(of: checksumOffset.littleEndian, toByteOffset: 8, as: UInt16.self)
        target.storeBytes(of: bufferCount.littleEndian, toByteOffset: 10, as: UInt16.self)
    }
}
