public import RingwayStorage

/// A frame to a guest: in one buffer, or headers and payload in two. It owns one reference to each buffer.
public struct OutgoingFrame: BitwiseCopyable {
    public var lease: Lease
    public var offset: UInt32
    public var length: UInt32
    /// The buffer of the second piece; `none` if the frame is in one piece.
    public var payload: Lease
    public var payloadOffset: UInt32
    public var payloadLength: UInt32

    public init(
        _ lease: Lease, offset: UInt32, length: UInt32, payload: Lease = .none, payloadOffset: UInt32 = 0,
        payloadLength: UInt32 = 0
    ) {
        self.lease = lease
        self.offset = offset
        self.length = length
        self.payload = payload
        self.payloadOffset = payloadOffset
        self.payloadLength = payloadLength
    }

    /// Bytes of both pieces.
    var byteCount: Int { Int(length) &+ (payload.isNone ? 0 : Int(payloadLength)) }

    /// The piece that begins with the virtio-net header.
    func head(in space: BufferSpace) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: space.address(of: lease) + Int(offset), count: Int(length))
    }

    /// The second piece, which may be empty.
    func rest(in space: BufferSpace) -> UnsafeRawBufferPointer {
        guard !payload.isNone else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(
            start: space.address(of: payload) + Int(payloadOffset), count: Int(payloadLength))
    }
}
