public import CRingway
internal import Glibc
public import RingwaySystem

/// A ring of asynchronous operations, owned by one thread: io_uring, or an emulation of it where the host has none.
///
/// ## Theory of operation
///
/// Submissions are queued by the operations in `Ring+Operations.swift` and go to the kernel with the next
/// `submitAndWait`, or earlier when the queue is full. Each carries a tag, 64 bits by which the owner routes its
/// completion (`OperationTag`); that file is the only place that writes it. `nextCompletion` takes completions, oldest
/// first.
///
/// Both queues have liburing's layout whatever the back end. What differs is behind `RingDriver`: the system calls that
/// hand submissions over, that wait, and that cancel.
///
/// A ring is made on any thread and enabled by the thread that drives it (IORING_SETUP_R_DISABLED), because a ring with a
/// single issuer belongs to the thread that enables it.
public struct Ring: ~Copyable {
    @usableFromInline let ring: UnsafeMutablePointer<io_uring>
    private let driver: RingDriver
    public let features: KernelFeatures
    /// Operations submitted since the ring was made, each of which completes: but for messages to other rings.
    public internal(set) var submissions: UInt64 = 0
    /// Which of the parties that share the ring submits: its number is in the tag of all that is queued meanwhile, and in
    /// the completions. Zero for the ring's owner.
    public var tenant: UInt16 {
        get { UInt16(truncatingIfNeeded: tenantBits >> 40) }
        set { tenantBits = OperationTag.bits(ofTenant: newValue) }
    }
    private(set) var tenantBits: UInt64 = 0
    /// Changes whenever queued submissions have gone to the kernel: until then what they point to may still change.
    public private(set) var round: UInt64 = 0
    private var backlog = CompletionBacklog()
    /// Takes entries that no kernel will see, where the ring has failed; made when that happens.
    private var discarded: UnsafeMutablePointer<io_uring_sqe>?

    /// - Parameters:
    ///   - entries: submissions that may be queued between two turns.
    ///   - completions: completions the kernel may post between two turns; multishot operations need many.
    public init(entries: UInt32, completions: UInt32, features: KernelFeatures) throws(SystemError) {
        // What may fail comes before any stored property is set: a value that is whole is torn down when its `init` throws.
        let memory = UnsafeMutableRawPointer.allocate(byteCount: 512, alignment: 128)
            .bindMemory(to: io_uring.self, capacity: 1)
        let made: RingDriver
        do throws(SystemError) {
            made = try RingDriver(memory, entries: entries, completions: completions, features: features)
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

    /// The descriptor by which other rings send messages to this one.
    public var descriptor: Int32 { ring.pointee.ring_fd }

    /// Makes the calling thread the ring's one issuer. Called once, before anything is submitted.
    public mutating func enable() throws(SystemError) { try driver.enable() }

    /// Monotonic nanoseconds, by the clock of the ring's world.
    @inline(__always)
    public mutating func clock() -> UInt64 { driver.clock() }

    // MARK: Submitting

    /// An empty submission entry to fill, for `Ring+Operations.swift` alone. Submits what is queued first when there is no
    /// room.
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
        return Self.failure(driver.submitAndWait(nanoseconds: backlog.count > 0 ? 0 : nanoseconds))
    }

    /// Submits what is queued, if anything is.
    ///
    /// - Returns: zero, or the `errno` of a failure.
    public mutating func submit() -> Int32 {
        guard io_uring_sq_ready(ring) > 0 else { return 0 }
        round &+= 1
        return Self.failure(driver.submitAndCollect())
    }

    /// What a caller must know of a system call's result: nothing, unless the ring is of no use any more.
    private static func failure(_ result: Int32) -> Int32 {
        if result >= 0 || result == -EINTR || result == -ETIME || result == -EBUSY || result == -EAGAIN { return 0 }
        return -result
    }

    // MARK: Completions

    /// Whether a completion is ready; enters the kernel only when it says that it holds some back.
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

    // MARK: Beside the queues

    /// Makes a ring of provided buffers known to the back end; zero, or a negated `errno`.
    mutating func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        driver.register(memory, entries: entries, group: group)
    }

    /// Has the back end forget a ring of provided buffers; its number is free for another one.
    mutating func unregister(group: UInt16) { driver.unregister(group: group) }

    /// Cancels the tenant's operation with a tag at once.
    ///
    /// - Parameter nanoseconds: how long to wait for an operation that is being carried out. One that had to be waited for
    ///   ends, and is counted, only when its completion is posted.
    /// - Returns: how many operations there were, or a negated `errno`.
    public mutating func cancelNow(_ tag: OperationTag, nanoseconds: UInt64) -> Int32 {
        driver.cancelNow(tag.rawValue | tenantBits, nanoseconds: nanoseconds)
    }

    /// To be called before a descriptor is closed that operations have been submitted on.
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
