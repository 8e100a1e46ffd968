internal import RingwayRing

/// The kernel features that the data path uses, with descriptions for users.
public enum KernelFeatures {
    /// One feature: whether it is present, the Linux version that introduced it, the cost of its absence and the
    /// remedy.
    public typealias Feature = (name: String, present: Bool, since: String, cost: String, remedy: String)

    /// The default reactor; if that is epoll, also why io_uring cannot be used, and the remedy.
    public static func reactor() -> (reactor: Reactor, obstacle: (reason: String, remedy: String)?) {
        let obstacle = VirtualNetwork.obstacle(to: .probe())
        return (obstacle == nil ? .ioUring : .epoll, obstacle)
    }

    /// Probes the kernel's io_uring. The list is empty if the process cannot use io_uring.
    public static func probe() -> [Feature] {
        let found = RingwayRing.KernelFeatures.current()
        guard found.hasRing else { return [] }
        return [
            ("provided buffer rings", found.hasBufferRings, "5.19", "epoll in place of io_uring", "a newer kernel"),
            (
                "multishot accept and receive", found.hasMultishotReceive, "6.0", "epoll in place of io_uring",
                "a newer kernel"
            ),
            ("ring messages", found.hasRingMessages, "5.18", "epoll in place of io_uring", "a newer kernel"),
            (
                "single issuer, deferred task work", found.defersTaskWork, "6.1",
                "an interrupt of the data path for each completion", "a newer kernel"
            ),
            (
                "multishot read", found.hasMultishotRead, "6.7", "one submission for each frame read",
                "a newer kernel"
            ),
        ]
    }
}
