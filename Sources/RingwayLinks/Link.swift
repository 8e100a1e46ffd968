/// What carries a guest's ethernet frames: one or more queues, and what the other end takes.
///
/// A queue is a descriptor on which every read and every write moves one whole frame, a virtio-net header first. Each
/// belongs to exactly one shard.
public struct Link: Sendable {
    /// One non-blocking descriptor per queue, owned by whoever holds the link.
    public var queues: [Int32]
    /// Whether the guest takes several UDP datagrams of one size as one frame (VIRTIO_NET_F_GUEST_USO4 and 6).
    public var takesUDPSuperFrames: Bool

    public init(queues: [Int32], takesUDPSuperFrames: Bool) {
        self.queues = queues
        self.takesUDPSuperFrames = takesUDPSuperFrames
    }
}
