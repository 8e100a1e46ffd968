/// A guest's link: one or more queues of ethernet frames, their framing, and the offloads of the other end.
///
/// Each queue belongs to exactly one shard, and the frames of a flow that use one queue stay in order.
public struct Link: Sendable {
    /// One non-blocking descriptor per queue, owned by the link's owner.
    public var queues: [Int32]
    /// The framing of each queue.
    public var framing: Framing
    /// Whether the guest accepts several UDP datagrams of one size as one frame (VIRTIO_NET_F_GUEST_USO4 and 6). Not
    /// needed if segmentation is done in software.
    public var takesUDPSuperFrames: Bool

    public init(queues: [Int32], framing: Framing = .device, takesUDPSuperFrames: Bool) {
        self.queues = queues
        self.framing = framing
        self.takesUDPSuperFrames = takesUDPSuperFrames
    }
}
