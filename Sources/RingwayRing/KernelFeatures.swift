internal import CRingway
internal import Glibc
internal import Synchronization

/// The features of a ring's back end. `probe` determines the features of this kernel's io_uring. A feature that
/// `carriesDataPath` does not require only makes a ring faster.
public struct KernelFeatures: Sendable, Equatable {
    /// The back end that has these features.
    public var backEnd = BackEnd.ioUring
    /// Whether an io_uring could be created.
    public var hasRing = false
    /// The `errno` if no io_uring could be created.
    public var ringError: Int32 = 0
    /// IORING_SETUP_SINGLE_ISSUER and IORING_SETUP_DEFER_TASKRUN (Linux 6.1).
    public var defersTaskWork = false
    /// Provided buffer rings (Linux 5.19).
    public var hasBufferRings = false
    /// Multishot accept (5.19) and receive (6.0).
    public var hasMultishotReceive = false
    /// IORING_ACCEPT_POLL_FIRST (Linux 6.10).
    public var acceptsPollFirst = false
    /// IORING_OP_READ_MULTISHOT (Linux 6.7).
    public var hasMultishotRead = false
    /// IORING_OP_MSG_RING (Linux 5.18).
    public var hasRingMessages = false

    public init() {}

    private static let found = Mutex<KernelFeatures?>(nil)

    /// The features of this kernel's io_uring, probed once and remembered. A later probe would create an unrestricted
    /// ring, which an attacker who controls a shard's thread could use. If no ring could be created, nothing is
    /// remembered, because the failure may be temporary.
    public static func current() -> KernelFeatures {
        found.withLock { found in
            if let found { return found }
            let features = probe()
            if features.hasRing { found = features }
            return features
        }
    }

    /// Queries the kernel, with a small temporary ring.
    public static func probe() -> KernelFeatures {
        var features = KernelFeatures()
        let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
        defer { ring.deallocate() }
        var result = ringway_ring_init(ring, 8, 16, ringway_setup_flags_preferred())
        features.defersTaskWork = result == 0
        if result != 0 { result = ringway_ring_init(ring, 8, 16, ringway_setup_flags_minimal()) }
        guard result == 0 else {
            features.ringError = -result
            return features
        }
        defer { io_uring_queue_exit(ring) }
        features.hasRing = true
        features.acceptsPollFirst = ringway_ring_polls_first(ring)
        guard let probe = io_uring_get_probe_ring(ring) else { return features }
        defer { io_uring_free_probe(probe) }
        features.hasMultishotRead = ringway_probe_supports(probe, RINGWAY_OP_READ_MULTISHOT)
        features.hasRingMessages = ringway_probe_supports(probe, Int32(IORING_OP_MSG_RING.rawValue))
        // No opcode indicates multishot receive; SEND_ZC was added in the same release.
        features.hasMultishotReceive = ringway_probe_supports(probe, Int32(IORING_OP_SEND_ZC.rawValue))
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 4_096, alignment: 4_096)
        defer { memory.deallocate() }
        if ringway_register_buffer_ring(ring, memory, 8, 0) == 0 {
            features.hasBufferRings = true
            io_uring_unregister_buf_ring(ring, 0)
        }
        return features
    }
}
