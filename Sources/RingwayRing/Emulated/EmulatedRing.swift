internal import CRingway
internal import Glibc
internal import RingwaySystem

/// The back end for hosts without io_uring. It executes the same submission entries in this process, by non-blocking
/// system calls and epoll.
///
/// ## Theory of operation
///
/// The two queues have liburing's layout in ordinary memory, so callers fill entries and take completions as with a
/// kernel ring. Each submitted operation is attempted immediately by a non-blocking system call. An operation that
/// would block is stored and linked to its descriptor, which is armed in epoll. When epoll reports the descriptor as
/// ready, its operations are attempted again, oldest first. Completions have the results and flags that the kernel
/// would post, except that IORING_CQE_F_SOCK_NONEMPTY is never set.
///
/// **Edges.** Descriptors are armed edge-triggered and stay armed while operations wait. A multishot operation
/// therefore needs no system call but its own, and a failure for which no operation waits is reported only once. If
/// operations use up their share of completions before an attempt would block, the event is kept for the next visit.
///
/// **Descriptor numbers are reused.** An io_uring operation references its file; an emulated one has only the number.
/// The first operation that waits for a descriptor arms it, and the result of `epoll_ctl` shows whether the file is
/// still the one that was armed. `closing` must be called before a descriptor is closed on which operations may wait;
/// it ends them.
///
/// **Bounds.** An operation is attempted only if there is room for its completion; otherwise it waits until completions
/// have been taken. The number of consecutive completions of one descriptor is limited, so that other descriptors are
/// served, too.
///
/// Reads, writes, accepts and connects have no flag for non-blocking operation, so their files are made non-blocking.
/// File offsets are ignored, because rings never read or write regular files.
struct EmulatedRing: ~Copyable {
    /// The most consecutive completions of one descriptor, in each direction.
    static var visitLimit: Int { 16 }
    /// The most events taken from epoll at a time.
    private static var eventLimit: Int { 256 }
    /// The `epoll_data` of the message channel. The `epoll_data` of any other event is a descriptor.
    private static var lineData: UInt64 { .max }

    let ring: UnsafeMutablePointer<io_uring>
    private let memory: UnsafeMutableRawPointer
    let epoll: Int32
    /// The receiving end of the message channel; `ring_fd` is the end to which other rings send.
    private let line: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    var operations: WaitingOperations
    var descriptors: WatchedDescriptors
    var provided = ProvidedRings()
    /// Operations that have not started, because there is no room for their completions.
    var postponed = OperationList()
    /// Finished operations whose completions wait for room.
    var ended = OperationList()
    /// Whether epoll_pwait2(2) is missing or forbidden, so that timeouts are rounded up to milliseconds.
    private var waitsCoarsely = false
    /// Whether the last turn did not check epoll, because submissions had produced completions.
    private var hasSkipped = false

    /// - Parameter ring: initialised here; the caller owns the memory.
    init(_ ring: UnsafeMutablePointer<io_uring>, entries: UInt32, completions: UInt32) throws(SystemError) {
        // Everything that may fail comes before the last stored property is set, because a throw after that would run
        // `deinit`.
        guard entries > 0, entries <= 32_768, completions <= 65_536 else {
            throw SystemError(Self.failure, errno: EINVAL)
        }
        let operations = try WaitingOperations()
        let descriptors = try WatchedDescriptors()
        let memory = try RingMemory.lay(out: ring, entries: entries, completions: max(completions, entries))
        do throws(SystemError) {
            (epoll, line, ring.pointee.ring_fd) = try Self.makeDescriptors()
        } catch {
            memory.deallocate()
            throw error
        }
        self.memory = memory
        self.operations = operations
        self.descriptors = descriptors
        self.ring = ring
        events = .allocate(capacity: Self.eventLimit)
    }

    /// The epoll descriptor and both ends of the message channel.
    private static func makeDescriptors() throws(SystemError) -> (epoll: Int32, line: Int32, ringEnd: Int32) {
        let epoll = ringway_epoll_make()
        guard epoll >= 0 else { throw SystemError(Self.failure, errno: -epoll) }
        var ends: (Int32, Int32) = (-1, -1)
        let result = withUnsafeMutableBytes(of: &ends) {
            ringway_message_line($0.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        guard result == 0 else {
            close(epoll)
            throw SystemError(Self.failure, errno: -result)
        }
        let control = ringway_epoll_control(epoll, EPOLL_CTL_ADD, ends.0, EPOLLIN.rawValue, Self.lineData)
        guard control == 0 else {
            for descriptor in [epoll, ends.0, ends.1] { close(descriptor) }
            throw SystemError(Self.failure, errno: -control)
        }
        return (epoll, ends.0, ends.1)
    }

    private static var failure: String { "cannot set up epoll" }

    deinit {
        close(epoll)
        close(line)
        close(ring.pointee.ring_fd)
        events.deallocate()
        memory.deallocate()
    }

    // MARK: Submitting

    /// Starts the queued operations. Those for whose completions there is no room are postponed.
    mutating func submit() {
        beginPostponed()
        let queue = ring.pointee.sq
        var head = queue.khead.pointee
        while head != queue.sqe_tail {
            let entry = queue.sqes + Int(head & queue.ring_mask)
            if postponed.isEmpty, hasRoom { begin(entry, .max) } else { postpone(entry) }
            head &+= 1
        }
        queue.khead.pointee = head
        ring.pointee.sq.sqe_head = head
    }

    private mutating func postpone(_ entry: UnsafeMutablePointer<io_uring_sqe>) {
        guard let slot = operations.insert(entry.pointee) else {
            preconditionFailure("more operations were submitted than can ever wait")
        }
        operations[slot].pointee.place = .postponed
        operations.append(slot, to: &postponed)
    }

    private mutating func beginPostponed() {
        postEnded()
        while !postponed.isEmpty, hasRoom {
            let slot = postponed.first
            operations.remove(slot, from: &postponed)
            operations[slot].pointee.place = .underWay
            begin(UnsafeMutableRawPointer(operations[slot]).assumingMemoryBound(to: io_uring_sqe.self), slot)
        }
    }

    // MARK: Waiting

    /// Starts queued operations and waits for a completion.
    ///
    /// - Parameter nanoseconds: the timeout; negative for none, zero to return at once.
    /// - Returns: zero, or the `errno` of a failure.
    mutating func submitAndWait(nanoseconds: Int64) -> Int32 {
        submit()
        if ringway_completions_ready(ring) > 0 {
            // These completions are mostly of sends and writes. Events of epoll are less urgent, so they are checked
            // in every second turn only, which saves system calls.
            visitReady()
            hasSkipped.toggle()
            return hasSkipped ? 0 : collect(nanoseconds: 0)
        }
        hasSkipped = false
        visitReady()
        if nanoseconds == 0 || ringway_completions_ready(ring) > 0 { return collect(nanoseconds: 0) }
        let start = ringway_monotonic_nanoseconds()
        var left = nanoseconds
        while true {
            let error = collect(nanoseconds: left)
            guard error == 0, ringway_completions_ready(ring) == 0 else { return error }
            // No operation waited for the event, so the wait continues.
            guard nanoseconds > 0 else { continue }
            left = nanoseconds - Int64(clamping: ringway_monotonic_nanoseconds() &- start)
            guard left > 0 else { return 0 }
        }
    }

    /// Waits for events of epoll once, not longer than the timeout, and retries operations that have become ready.
    /// Returns zero, or the `errno` of a failure.
    mutating func collect(nanoseconds: Int64) -> Int32 {
        let isBusy = descriptors.readyCount > 0 || !postponed.isEmpty || !ended.isEmpty
        let count = waitForEvents(isBusy ? 0 : nanoseconds)
        guard count >= 0 else { return count == -EINTR ? 0 : -count }
        for index in 0..<Int(count) {
            let event = events[index]
            if event.data.u64 == Self.lineData {
                takeMessages()
            } else {
                descriptors.markReady(Int32(truncatingIfNeeded: event.data.u64), event.events)
            }
        }
        if count > 0 || isBusy { visitReady() }
        return 0
    }

    private mutating func waitForEvents(_ nanoseconds: Int64) -> Int32 {
        let most = Int32(Self.eventLimit)
        guard nanoseconds > 0 else { return ringway_epoll_wait(epoll, events, most, nanoseconds < 0 ? -1 : 0) }
        if !waitsCoarsely {
            let count = ringway_epoll_wait_exactly(epoll, events, most, nanoseconds)
            guard count == -ENOSYS || count == -EPERM else { return count }
            waitsCoarsely = true
        }
        let milliseconds = nanoseconds / 1_000_000 + (nanoseconds.isMultiple(of: 1_000_000) ? 0 : 1)
        return ringway_epoll_wait(epoll, events, most, Int32(clamping: milliseconds))
    }

    // MARK: Messages between rings

    /// A message in the channel: the tag and result of the completion that it becomes.
    private struct Message: BitwiseCopyable {
        var tag: UInt64 = 0
        var result: Int64 = 0
    }

    /// Sends a message to the ring whose channel is in `entry`.
    func sendMessage(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Int32 {
        var message = Message(tag: entry.pointee.off, result: Int64(Int32(bitPattern: entry.pointee.len)))
        let size = MemoryLayout<Message>.size
        let sent = ringway_try_send(entry.pointee.fd, &message, size, UInt32(MSG_NOSIGNAL))
        // If the channel is full, the messages in it wake the ring's owner anyway.
        return sent == size ? 0 : sent == -Int64(EAGAIN) ? -EOVERFLOW : Int32(truncatingIfNeeded: min(sent, -1))
    }

    /// Posts a completion for each message while there is room; epoll reports the channel again for the rest.
    private mutating func takeMessages() {
        postEnded()
        withUnsafeTemporaryAllocation(of: Message.self, capacity: 64) { messages in
            let most = min(messages.count, room)
            guard most > 0 else { return }
            let size = MemoryLayout<Message>.size
            let count = ringway_try_receive(line, messages.baseAddress, most * size, 0)
            guard count > 0 else { return }
            for index in 0..<Int(count) / size {
                post(messages[index].tag, Int32(truncatingIfNeeded: messages[index].result), 0)
            }
        }
    }

    // MARK: Completions

    /// The number of completions that can be posted now.
    var room: Int {
        let queue = ring.pointee.cq
        return Int(queue.ring_entries &- (queue.ktail.pointee &- queue.khead.pointee))
    }

    var hasRoom: Bool { room > 0 }

    /// Posts a completion. There must be room.
    mutating func post(_ tag: UInt64, _ result: Int32, _ flags: UInt32) {
        let queue = ring.pointee.cq
        let tail = queue.ktail.pointee
        precondition(tail &- queue.khead.pointee < queue.ring_entries, "a completion was posted without room")
        let completion = queue.cqes + Int(tail & queue.ring_mask)
        completion.pointee.user_data = tag
        completion.pointee.res = result
        completion.pointee.flags = flags
        queue.ktail.pointee = tail &+ 1
    }

    /// Posts stored completions while there is room.
    mutating func postEnded() {
        while !ended.isEmpty, hasRoom {
            let slot = ended.first
            operations.remove(slot, from: &ended)
            post(operations[slot].pointee.entry.user_data, operations[slot].pointee.result, 0)
            operations.remove(slot)
        }
    }
}
