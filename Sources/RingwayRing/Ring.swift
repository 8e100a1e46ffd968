public import CRingway
internal import Glibc

/// Why a ring could not be made or driven.
public struct RingError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was attempted.
    public let operation: String
    public let errno: Int32

    public init(operation: String, errno: Int32) {
        self.operation = operation
        self.errno = errno
    }

    public var description: String { "\(operation): \(String(cString: strerror(errno)))" }
}

/// One io_uring, owned by one thread.
///
/// Made on any thread and enabled by the thread that drives it (IORING_SETUP_R_DISABLED), because a ring with a single
/// issuer belongs to whoever enables it. Submissions are queued by `prepare` and go to the kernel with the next
/// `submitAndWait`, or earlier when the queue is full.
public struct Ring: ~Copyable {
    @usableFromInline let ring: UnsafeMutablePointer<io_uring>
    public let features: KernelFeatures
    /// Submission entries asked for since the ring was made.
    public private(set) var submissions: UInt64 = 0
    /// Changes whenever queued submissions have gone to the kernel: until then what they point to may still change.
    public private(set) var round: UInt64 = 0

    /// - Parameters:
    ///   - entries: submissions that may be queued between two turns.
    ///   - completions: completions the kernel may post between two turns; multishot operations need many.
    public init(entries: UInt32, completions: UInt32, features: KernelFeatures) throws(RingError) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 128)
            .bindMemory(to: io_uring.self, capacity: 1)
        let flags =
            features.defersTaskWork ? ringway_setup_flags_preferred() : ringway_setup_flags_cooperative()
        var result = ringway_ring_init(memory, entries, completions, flags)
        if result == -EINVAL { result = ringway_ring_init(memory, entries, completions, ringway_setup_flags_minimal()) }
        // What may fail comes before any stored property is set: a value that is whole is torn down when its `init` throws.
        guard result == 0 else {
            memory.deallocate()
            throw RingError(operation: "cannot set up io_uring", errno: -result)
        }
        ring = memory
        self.features = features
    }

    deinit {
        io_uring_queue_exit(ring)
        ring.deallocate()
    }

    /// The descriptor by which other rings send messages to this one.
    public var descriptor: Int32 { ring.pointee.ring_fd }

    /// Makes the calling thread the ring's one issuer. Called once, before anything is submitted.
    public mutating func enable() throws(RingError) {
        let result = ringway_enable(ring)
        guard result == 0 else { throw RingError(operation: "cannot enable io_uring", errno: -result) }
        // A registered ring saves the look-up of the descriptor in every system call; without it all works as well.
        _ = io_uring_register_ring_fd(ring)
    }

    /// An empty submission entry to fill. Submits what is queued first when there is no room.
    @inline(__always)
    public mutating func prepare() -> UnsafeMutablePointer<io_uring_sqe> {
        submissions &+= 1
        if let entry = io_uring_get_sqe(ring) { return entry }
        return prepareAfterSubmit()
    }

    @inline(never)
    private mutating func prepareAfterSubmit() -> UnsafeMutablePointer<io_uring_sqe> {
        round &+= 1
        while true {
            _ = io_uring_submit(ring)
            if let entry = io_uring_get_sqe(ring) { return entry }
        }
    }

    /// Submits what is queued and waits for a completion.
    ///
    /// - Parameter nanoseconds: how long at most; negative waits for ever, zero not at all.
    /// - Returns: zero, or the `errno` of a failure that is neither an interruption nor the time running out.
    public mutating func submitAndWait(nanoseconds: Int64) -> Int32 {
        round &+= 1
        let result =
            nanoseconds == 0 ? io_uring_submit_and_get_events(ring) : ringway_submit_and_wait(ring, nanoseconds)
        return Self.failure(result)
    }

    /// Submits what is queued, if anything is.
    ///
    /// - Returns: zero, or the `errno` of a failure.
    public mutating func submit() -> Int32 {
        guard io_uring_sq_ready(ring) > 0 else { return 0 }
        round &+= 1
        return Self.failure(io_uring_submit_and_get_events(ring))
    }

    /// Whether a completion is ready; enters the kernel only when it says that it holds some back.
    @inline(__always)
    public mutating func hasCompletion() -> Bool {
        if ringway_completions_ready(ring) > 0 { return true }
        guard ringway_has_task_work(ring) else { return false }
        _ = io_uring_get_events(ring)
        return ringway_completions_ready(ring) > 0
    }

    /// What a caller must know of a system call's result: nothing, unless the ring is of no use any more.
    private static func failure(_ result: Int32) -> Int32 {
        if result >= 0 || result == -EINTR || result == -ETIME || result == -EBUSY || result == -EAGAIN { return 0 }
        return -result
    }

    /// The oldest completion, or `nil`. Its entry is free for the kernel at once.
    @inline(__always)
    public mutating func nextCompletion() -> Completion? {
        var tag: UInt64 = 0
        var result: Int32 = 0
        var flags: UInt32 = 0
        guard ringway_completion_take(ring, &tag, &result, &flags) else { return nil }
        return Completion(tag: OperationTag(rawValue: tag), result: result, flags: flags)
    }

    /// Makes a ring of provided buffers known to the kernel.
    mutating func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        ringway_register_buffer_ring(ring, memory, entries, group)
    }
}
