internal import RingwayRing

/// What the data path wants of the kernel, for a person to read.
public enum KernelFeatures {
    /// One feature: whether it is there, since which Linux it exists, what its absence costs and how to mend that.
    public typealias Feature = (name: String, present: Bool, since: String, cost: String, remedy: String)

    /// Asks the kernel.
    public static func probe() -> [Feature] {
        let found = RingwayRing.KernelFeatures.probe()
        return [
            (
                "io_uring", found.hasRing, "5.1", "nothing runs",
                "sysctl kernel.io_uring_disabled=0, or a seccomp profile that allows io_uring_setup"
            ),
            ("provided buffer rings", found.hasBufferRings, "5.19", "nothing runs", "a newer kernel"),
            ("multishot accept and receive", found.hasMultishotReceive, "6.0", "nothing runs", "a newer kernel"),
            ("ring messages", found.hasRingMessages, "5.18", "more than one shard does not run", "a newer kernel"),
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
