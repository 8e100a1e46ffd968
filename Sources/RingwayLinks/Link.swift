/// What carries a guest's ethernet frames: one or more queues, how frames lie on them, and what the other end takes.
///
/// Each queue belongs to exactly one shard, and all frames of a flow that come by one queue stay in order.
public struct Link: Sendable {
    /// One non-blocking descriptor per queue, owned by whoever holds the link.
    public var queues: [Int32]
    /// How frames lie on each queue.
    public var framing: Framing
    /// Whether the guest takes several UDP datagrams of one size as one frame (VIRTIO_NET_F_GUEST_USO4 and 6). Without
    /// meaning where segments are cut in software, which knows them too.
    public var takesUDPSuperFrames: Bool

    public init(queues: [Int32], framing: Framing = .device, takesUDPSuperFrames: Bool) {
        self.queues = queues
        self.framing = framing
        self.takesUDPSuperFrames = takesUDPSuperFrames
    }
}
