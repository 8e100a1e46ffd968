public import CRingway
internal import Glibc
public import RingwaySystem

/// A ring of asynchronous operations, owned by one thread. It is an io_uring, or has another `BackEnd`.
///
/// ## Theory of operation
///
/// Submissions are queued by the operations in `Ring+Operations.swift` and go to the kernel with the next
/// `submitAndWait`, or earlier if the queue is full. Each has a 64-bit tag (`OperationTag`), by which the owner routes
/// its completion. `nextCompletion` returns completions, oldest first.
///
/// Both queues have liburing's layout on every back end. `RingDriver` contains the differences: how to submit, wait and
/// cancel.
///
/// A ring may be created on any thread, but is enabled by the thread that drives it (IORING_SETUP_R_DISABLED), because
/// a ring with a single issuer belongs to the thread that enables it.
public struct Ring: ~Copyable {
    @usableFromInline let ring: UnsafeMutablePointer<io_uring>
    private let driver: RingDriver
    public let features: KernelFeatures
    /// The number of operations queued so far. Each of them completes. Messages to other rings are not counted, because
    /// they complete only on failure.
    public internal(set) var submissions: UInt64 = 0
    /// The tenant whose operations are being queued. Tenants are the users that share the ring, such as the guests of a
    /// shard; zero stands for the ring's owner. The number is part of the tags of operations and completions.
    public var tenant: UInt16 {
        get { UInt16(truncatingIfNeeded: tenantBits >> 40) }
        set { tenantBits = OperationTag.bits(ofTenant: newValue) }
    }
    private(set) var tenantBits: UInt64 = 0
    /// A counter that changes whenever queued submissions are passed to the kernel. Until it changes, the kernel has
    /// not seen a queued submission, and the memory to which the submission points may still be modified.
    public private(set) var round: UInt64 = 0
    private var backlog = CompletionBacklog()
    /// A dummy entry that takes the submissions made after the ring has failed. It is allocated only then.
    private var discarded: UnsafeMutablePointer<io_uring_sqe>?

    /// Creates a ring. The kernel restricts an io_uring to what `RingRestrictions` lists.
    ///
    /// - Parameters:
    ///   - entries: the size of the submission queue. A full queue is submitted at once.
    ///   - completions: the size of the completion queue; multishot operations need a large one.
    public init(entries: UInt32, completions: UInt32, features: KernelFeatures) throws(SystemError) {
        try self.init(entries: entries, completions: completions, features: features, isRestricted: true)
    }

    /// Like the public initializer. `isRestricted` is false in tests that submit operations which `RingRestrictions`
    /// does not list.
    init(
        entries: UInt32, completions: UInt32, features: KernelFeatures, isRestricted: Bool
    ) throws(SystemError) {
        // Everything that may fail comes before the last stored property is set, because a throw after that would run
        // `deinit`.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 128)
            .bindMemory(to: io_uring.self, capacity: 1)
        let made: RingDriver
        do throws(SystemError) {
            made = try RingDriver(
                memory, entries: entries, completions: completions, features: features, isRestricted: isRestricted)
        } catch {
            memory.deallocate()
            throw error
        }
        ring = memory
        driver = made
        self.features = features
    }

    deinit {
        driver.close()
        ring.deallocate()
        discarded?.deallocate()
    }

    /// The descriptor to which other rings send messages.
    public var descriptor: Int32 { ring.pointee.ring_fd }

    /// Makes the calling thread the ring's single issuer. Called once, before the first submission.
    public mutating func enable() throws(SystemError) { try driver.enable() }

    /// The time of the ring's clock, in monotonic nanoseconds.
    @inline(__always)
    public mutating func clock() -> UInt64 { driver.clock() }

    // MARK: Submitting

    /// An empty submission entry, for `Ring+Operations.swift` only. If the queue is full, it is submitted first.
    @inline(__always)
    mutating func prepare() -> UnsafeMutablePointer<io_uring_sqe> {
        submissions &+= 1
        if let entry = io_uring_get_sqe(ring) { return entry }
        return prepareAfterSubmit()
    }

    @inline(never)
    private mutating func prepareAfterSubmit() -> UnsafeMutablePointer<io_uring_sqe> {
        while submitSome() == 0 {
            if let entry = io_uring_get_sqe(ring) { return entry }
        }
        // The ring has failed; the next wait returns the reason.
        if let discarded { return discarded }
        let entry = UnsafeMutablePointer<io_uring_sqe>.allocate(capacity: 1)
        entry.initialize(to: io_uring_sqe())
        discarded = entry
        return entry
    }

    /// Submits everything that is queued. If the kernel does not accept entries now, this waits until it does, or
    /// until the ring fails.
    public mutating func submitAll() {
        while io_uring_sq_ready(ring) > 0, submitSome() == 0 {}
    }

    /// Submits queued operations and waits for a completion.
    ///
    /// - Parameter nanoseconds: the timeout; negative for none, zero to return at once.
    /// - Returns: zero after a completion, a timeout, a signal, EBUSY or EAGAIN; otherwise the `errno` after which the
    ///   ring is unusable.
    public mutating func submitAndWait(nanoseconds: Int64) -> Int32 {
        round &+= 1
        return Self.failure(driver.submitAndWait(nanoseconds: backlog.count > 0 ? 0 : nanoseconds))
    }

    /// Submits queued operations, if there are any.
    ///
    /// - Returns: zero, or the `errno` after which the ring is unusable.
    public mutating func submit() -> Int32 {
        guard io_uring_sq_ready(ring) > 0 else { return 0 }
        round &+= 1
        return Self.failure(driver.submitAndCollect())
    }

    /// The `errno` if the system call's result means that the ring is unusable; otherwise zero.
    private static func failure(_ result: Int32) -> Int32 {
        if result >= 0 || result == -EINTR || result == -ETIME || result == -EBUSY || result == -EAGAIN { return 0 }
        return -result
    }

    // MARK: Completions

    /// Whether a completion is ready. Makes a system call only if the kernel says that it has deferred completions.
    @inline(__always)
    public mutating func hasCompletion() -> Bool {
        if ringway_completions_ready(ring) > 0 || backlog.count > 0 { return true }
        guard ringway_has_task_work(ring) else { return false }
        return askForCompletion()
    }

    @inline(never)
    private mutating func askForCompletion() -> Bool {
        driver.collect()
        return ringway_completions_ready(ring) > 0
    }

    /// The oldest completion, or `nil`. Its entry is released to the kernel immediately.
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

    // MARK: Registration and cancellation

    /// Registers a ring of provided buffers with the back end. Returns zero, or a negated `errno`.
    mutating func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        driver.register(memory, entries: entries, group: group)
    }

    /// Unregisters a ring of provided buffers. Its group number may be used again.
    mutating func unregister(group: UInt16) { driver.unregister(group: group) }

    /// Cancels the current tenant's operations with this tag immediately.
    ///
    /// - Parameter nanoseconds: how long to wait for an operation that is being executed. Such an operation ends, and
    ///   is counted, only when its completion is posted.
    /// - Returns: the number of cancelled operations, or a negated `errno`.
    public mutating func cancelNow(_ tag: OperationTag, nanoseconds: UInt64) -> Int32 {
        driver.cancelNow(tag.rawValue | tenantBits, nanoseconds: nanoseconds)
    }

    /// Must be called before closing a descriptor on which operations have been submitted. An emulated ring ends those
    /// operations, because the descriptor's number may be reused.
    @inline(__always)
    public mutating func closing(_ descriptor: Int32) { driver.closing(descriptor) }
}

extension Ring: SubmissionQueue {
    mutating func submitOnce() -> Int32 {
        round &+= 1
        return driver.submit()
    }

    mutating func takeCompletions() -> Int {
        let before = backlog.count
        while let completion = takeCompletion() { backlog.append(completion) }
        if backlog.count == before {
            driver.collect()
            while let completion = takeCompletion() { backlog.append(completion) }
        }
        return backlog.count - before
    }

    mutating func rest() { usleep(100) }
}
