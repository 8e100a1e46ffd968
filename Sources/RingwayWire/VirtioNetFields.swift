/// The meaning of a virtio-net header. The default is an ordinary frame with nothing left undone.
@frozen
public struct VirtioNetFields: Equatable, Sendable, BitwiseCopyable {
    /// `VirtioNetHeader.needsChecksum`, `VirtioNetHeader.dataValid`.
    public var flags: UInt8
    /// One of the `VirtioNetHeader.gso` constants.
    public var gsoType: UInt8
    /// Octets of headers before the payload.
    public var headerLength: UInt16
    /// Octets of payload in each segment.
    public var gsoSize: UInt16
    /// Where summing starts, counted from the ethernet header.
    public var checksumStart: UInt16
    /// Where the checksum goes, counted from `checksumStart`.
    public var checksumOffset: UInt16
    /// Receive buffers the frame was spread over; virtqueues want one, others ignore it.
    public var bufferCount: UInt16

    /// Fields, all zero unless given.
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

    /// The meaning of a header seen.
    @inlinable
    public init(_ header: VirtioNetHeader) {
        self.init(
            flags: header.flags, gsoType: header.gsoType, headerLength: header.headerLength, gsoSize: header.gsoSize,
            checksumStart: header.checksumStart, checksumOffset: header.checksumOffset, bufferCount: header.bufferCount)
    }

    /// Writes twelve octets.
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
