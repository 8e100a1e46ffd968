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

/// One io_uring, owned by one thread; or its twin on epoll, which the owner does not notice.
///
/// Made on any thread and enabled by the thread that drives it (IORING_SETUP_R_DISABLED), because a ring with a single
/// issuer belongs to whoever enables it. Submissions are queued by `prepare` and go to the kernel with the next
/// `submitAndWait`, or earlier when the queue is full.
public struct Ring: ~Copyable {
    @usableFromInline let ring: UnsafeMutablePointer<io_uring>
    /// Carries out what the kernel would, where there is no io_uring.
    private let twin: UnsafeMutablePointer<EpollTwin>?
    public let features: KernelFeatures
    /// Submission entries asked for since the ring was made.
    public private(set) var submissions: UInt64 = 0
    /// Changes whenever queued submissions have gone to the kernel: until then what they point to may still change.
    public private(set) var round: UInt64 = 0
    private var backlog = CompletionBacklog()
    /// Takes entries that no kernel will see, where the ring has failed; made when that happens.
    private var discarded: UnsafeMutablePointer<io_uring_sqe>?

    /// - Parameters:
    ///   - entries: submissions that may be queued between two turns.
    ///   - completions: completions the kernel may post between two turns; multishot operations need many.
    public init(entries: UInt32, completions: UInt32, features: KernelFeatures) throws(RingError) {
        // What may fail comes before any stored property is set: a value that is whole is torn down when its `init` throws.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 128)
            .bindMemory(to: io_uring.self, capacity: 1)
        let made: UnsafeMutablePointer<EpollTwin>?
        do throws(RingError) {
            made = try Self.setUp(memory, entries, completions, features)
        } catch {
            memory.deallocate()
            throw error
        }
        ring = memory
        twin = made
        self.features = features
    }

    private static func setUp(
        _ ring: UnsafeMutablePointer<io_uring>, _ entries: UInt32, _ completions: UInt32, _ features: KernelFeatures
    ) throws(RingError) -> UnsafeMutablePointer<EpollTwin>? {
        if features.backEnd == .epoll {
            let made = try EpollTwin(ring, entries: entries, completions: completions)
            let twin = UnsafeMutablePointer<EpollTwin>.allocate(capacity: 1)
            twin.initialize(to: made)
            return twin
        }
        let flags =
            features.defersTaskWork ? ringway_setup_flags_preferred() : ringway_setup_flags_cooperative()
        var result = ringway_ring_init(ring, entries, completions, flags)
        if result == -EINVAL { result = ringway_ring_init(ring, entries, completions, ringway_setup_flags_minimal()) }
        guard result == 0 else { throw RingError(operation: "cannot set up io_uring", errno: -result) }
        return nil
    }

    deinit {
        if let twin {
            twin.deinitialize(count: 1)
            twin.deallocate()
        } else {
            io_uring_queue_exit(ring)
        }
        ring.deallocate()
        discarded?.deallocate()
    }

    /// The descriptor by which other rings send messages to this one.
    public var descriptor: Int32 { ring.pointee.ring_fd }

    /// Makes the calling thread the ring's one issuer. Called once, before anything is submitted.
    public mutating func enable() throws(RingError) {
        guard twin == nil else { return }
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
        while submitSome() == 0 {
            if let entry = io_uring_get_sqe(ring) { return entry }
        }
        // The next wait says why the ring has failed.
        if let discarded { return discarded }
        let entry = UnsafeMutablePointer<io_uring_sqe>.allocate(capacity: 1)
        entry.initialize(to: io_uring_sqe())
        discarded = entry
        return entry
    }

    /// Submits all that is queued, however long the kernel takes for it.
    public mutating func submitAll() {
        while io_uring_sq_ready(ring) > 0, submitSome() == 0 {}
    }

    /// Submits what is queued and waits for a completion.
    ///
    /// - Parameter nanoseconds: how long at most; negative waits for ever, zero not at all.
    /// - Returns: zero, or the `errno` of a failure that is neither an interruption nor the time running out.
    public mutating func submitAndWait(nanoseconds: Int64) -> Int32 {
        round &+= 1
        if let twin { return twin.pointee.submitAndWait(nanoseconds: nanoseconds) }
        let nanoseconds = backlog.count > 0 ? 0 : nanoseconds
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
        if let twin {
            twin.pointee.submit()
            return 0
        }
        return Self.failure(io_uring_submit_and_get_events(ring))
    }

    /// Whether a completion is ready; enters the kernel only when it says that it holds some back.
    @inline(__always)
    public mutating func hasCompletion() -> Bool {
        if ringway_completions_ready(ring) > 0 || backlog.count > 0 { return true }
        guard ringway_has_task_work(ring) else { return false }
        return askForCompletion()
    }

    @inline(never)
    private mutating func askForCompletion() -> Bool {
        if let twin { _ = twin.pointee.collect(nanoseconds: 0) } else { _ = io_uring_get_events(ring) }
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
        if backlog.count > 0 { return backlog.popFirst() }
        return takeCompletion()
    }

    @inline(__always)
    private mutating func takeCompletion() -> Completion? {
        var tag: UInt64 = 0
        var result: Int32 = 0
        var flags: UInt32 = 0
        guard ringway_completion_take(ring, &tag, &result, &flags) else { return nil }
        return Completion(tag: OperationTag(rawValue: tag), result: result, flags: flags)
    }

    /// Makes a ring of provided buffers known to whoever takes from it.
    mutating func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        if let twin { return twin.pointee.provided.register(memory, entries: entries, group: group) }
        return ringway_register_buffer_ring(ring, memory, entries, group)
    }

    // MARK: Descriptors that are given up

    /// Takes back the operation with a tag; answers how many there were, or a negated `errno`.
    ///
    /// - Parameter nanoseconds: how long to wait for an operation that is being carried out. One that had to be waited for
    ///   ends, and is counted, only when its completion is posted.
    public mutating func cancelNow(_ tag: OperationTag, nanoseconds: UInt64) -> Int32 {
        if let twin { return twin.pointee.cancelNow(tag.rawValue) }
        return ringway_cancel_tag_now(ring.pointee.ring_fd, tag.rawValue, nanoseconds)
    }

    /// To be told before a descriptor is closed that operations have been submitted on. An operation in the kernel's hands
    /// keeps its file; the twin knows its number only, which another file may have in a moment, and ends it.
    @inline(__always)
    public mutating func closing(_ descriptor: Int32) {
        if let twin { twin.pointee.closing(descriptor) }
    }
}

extension Ring: SubmissionQueue {
    mutating func submitOnce() -> Int32 {
        round &+= 1
        if let twin {
            twin.pointee.submit()
            return 0
        }
        let result = io_uring_submit(ring)
        return result == 0 && io_uring_sq_ready(ring) > 0 ? -EAGAIN : result
    }

    mutating func takeCompletions() -> Int {
        let before = backlog.count
        while let completion = takeCompletion() { backlog.append(completion) }
        if backlog.count == before {
            _ = io_uring_get_events(ring)
            while let completion = takeCompletion() { backlog.append(completion) }
        }
        return backlog.count - before
    }

    mutating func rest() { usleep(100) }
}
