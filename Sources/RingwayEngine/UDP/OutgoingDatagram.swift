internal import RingwayModel
internal import RingwayStorage

/// A datagram, or several to be segmented by the kernel, from the guest to the host's network. It owns one reference
/// to the buffer.
struct OutgoingDatagram: BitwiseCopyable {
    /// The mapping or ping in the stack.
    var flow: Handle
    var target: TransportAddress
    var lease: Lease
    /// The offset of the payload in the buffer.
    var offset: UInt32
    var length: UInt32
    /// Bytes of each datagram except the last; zero for a single one.
    var segmentSize: UInt16
    var hopLimit: UInt8
    var trafficClass: UInt8
    /// Whether the datagram is refused, rather than fragmented, if it exceeds the path MTU.
    var dontFragment: Bool

    func payload(in space: BufferSpace) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: space.address(of: lease) + Int(offset), count: Int(length))
    }
}
