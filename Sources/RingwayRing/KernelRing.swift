internal import CRingway
internal import RingwaySystem

/// The back end for the kernel's io_uring.
struct KernelRing: BitwiseCopyable {
    private let ring: UnsafeMutablePointer<io_uring>

    /// - Parameters:
    ///   - ring: initialised here; the caller owns the memory and calls `close` before it is freed.
    ///   - isRestricted: whether the kernel restricts the ring to what `RingRestrictions` lists.
    init(
        _ ring: UnsafeMutablePointer<io_uring>, entries: UInt32, completions: UInt32, features: KernelFeatures,
        isRestricted: Bool
    ) throws(SystemError) {
        let flags = features.defersTaskWork ? ringway_setup_flags_preferred() : ringway_setup_flags_cooperative()
        var result = ringway_ring_init(ring, entries, completions, flags)
        if result == -EINVAL { result = ringway_ring_init(ring, entries, completions, ringway_setup_flags_minimal()) }
        guard result == 0 else { throw SystemError("cannot set up io_uring", errno: -result) }
        if isRestricted {
            result = RingRestrictions.apply(to: ring, features)
            guard result == 0 else {
                io_uring_queue_exit(ring)
                throw SystemError("cannot restrict io_uring", errno: -result)
            }
        }
        self.ring = ring
    }

    func close() { io_uring_queue_exit(ring) }

    func enable() throws(SystemError) {
        let result = ringway_enable(ring)
        guard result == 0 else { throw SystemError("cannot enable io_uring", errno: -result) }
        // Registration saves io_uring_enter(2) a look-up of the ring's file. A failure is ignored, because the ring
        // works without it.
        _ = io_uring_register_ring_fd(ring)
    }

    /// Submits queued entries. Returns the number that the kernel accepted, or a negated `errno`, which is EAGAIN if
    /// the kernel accepted none of them.
    func submit() -> Int32 {
        let result = io_uring_submit(ring)
        return result == 0 && io_uring_sq_ready(ring) > 0 ? -EAGAIN : result
    }

    /// Submits queued entries and makes the kernel post deferred completions.
    func submitAndCollect() -> Int32 { io_uring_submit_and_get_events(ring) }

    func submitAndWait(nanoseconds: Int64) -> Int32 {
        nanoseconds == 0 ? io_uring_submit_and_get_events(ring) : ringway_submit_and_wait(ring, nanoseconds)
    }

    func collect() { _ = io_uring_get_events(ring) }

    func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        ringway_register_buffer_ring(ring, memory, entries, group)
    }

    func unregister(group: UInt16) { _ = io_uring_unregister_buf_ring(ring, Int32(group)) }

    func cancelNow(_ tag: UInt64, nanoseconds: UInt64) -> Int32 {
        ringway_cancel_tag_now(ring.pointee.ring_fd, tag, nanoseconds)
    }
}
