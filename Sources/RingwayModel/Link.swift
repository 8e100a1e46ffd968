/// A guest's link: one or more queues of ethernet frames, their framing, and the offloads of the other end.
///
/// Each queue belongs to exactly one shard, and the frames of a flow that use one queue stay in order.
public struct Link: Sendable {
    /// One non-blocking descriptor per queue. A `Link` does not close them; attaching a guest takes ownership of them.
    public var queues: [Int32]
    /// The framing of each queue.
    public var framing: Framing
    /// Whether the guest accepts several UDP datagrams of one size as one frame (VIRTIO_NET_F_GUEST_USO4 and 6).
    /// Irrelevant for a link without a virtio-net header, whose frames Ringway segments in software.
    public var takesUDPSuperFrames: Bool

    public init(queues: [Int32], framing: Framing = .device, takesUDPSuperFrames: Bool) {
        self.queues = queues
        self.framing = framing
        self.takesUDPSuperFrames = takesUDPSuperFrames
    }
}

extension Link {
    /// The format of frames on a queue's descriptor.
    public enum Framing: Hashable, Sendable {
        /// Every read and write is one whole frame that begins with a virtio-net header: a TAP device.
        case device
        /// A byte stream with a length before every frame.
        case stream(StreamFraming)
        /// Every datagram is one frame without a virtio-net header: QEMU's `-netdev dgram`.
        case datagram

        /// Whether each frame has a virtio-net header, so that super-frames and partial checksums are possible.
        @inlinable public var hasVirtioNetHeader: Bool {
            switch self {
            case .device, .stream(.agent): true
            case .stream(.qemu), .stream(.vpnkit), .datagram: false
            }
        }
    }
}
