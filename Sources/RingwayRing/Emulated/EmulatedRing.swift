internal import CRingway
internal import Glibc
internal import RingwaySystem

/// The back end for hosts without io_uring: interprets the very same submission entries in this process, by system calls
/// that do not wait and by epoll.
///
/// ## Theory of operation
///
/// The two queues are liburing's, in ordinary memory, so callers fill entries and take completions as with a kernel ring.
/// When entries are submitted each operation is attempted at once, by a system call that does not wait. One that would
/// have to wait is kept, linked to its descriptor, and the descriptor is armed in epoll; once that tells that it is ready,
/// its operations are attempted again, in the order in which they came. Completions are those that the kernel would post,
/// with the same flags.
///
/// **Edges.** Descriptors are armed edge-triggered: told once and then left alone as long as operations wait, so that a
/// multishot operation costs no system call but its own, and a failure that nothing waits for tells itself only once.
/// Whatever is told is therefore kept until an attempt would wait.
///
/// **Numbers are used again.** io_uring's operations hold the file that they were submitted on; these hold a number. An
/// operation that begins to wait arms its descriptor, unless others wait there already, and the kernel's answer tells
/// whether the file is still the one that was armed. Who closes a descriptor on which operations may wait says so before
/// (`closing`), and they end.
///
/// **Bounds.** Nothing is attempted without room for its completion. What has no room is kept until completions have been
/// taken. One descriptor gets so many completions in a row and no more; then the others have their turn.
///
/// Files are made non-blocking where an operation has no flag of its own for that: reads, writes, connects. Offsets are not
/// looked at: nothing here reads regular files.
struct EmulatedRing: ~Copyable {
    /// Completions that one descriptor may have in a row.
    static var visitLimit: Int { 16 }
    /// Events taken from epoll at a time.
    private static var eventLimit: Int { 256 }
    /// Names the line on which messages come, where other events name a descriptor.
    private static var lineData: UInt64 { .max }

    let ring: UnsafeMutablePointer<io_uring>
    private let memory: UnsafeMutableRawPointer
    let epoll: Int32
    /// Where messages of other rings come from; `ring_fd` is the end that they are sent to.
    private let line: Int32
    private let events: UnsafeMutablePointer<epoll_event>
    var operations: WaitingOperations
    var descriptors: WatchedDescriptors
    var provided = ProvidedRings()
    /// Operations for whose completion there was no room.
    var postponed = OperationList()
    /// Operations that are over, whose completion waits for room.
    var ended = OperationList()
    /// The kernel knows no finer time to wait than milliseconds.
    private var waitsCoarsely = false
    /// The last turn did not ask epoll, because submissions had kept it busy.
    private var hasSkipped = false

    /// - Parameter ring: is filled in, and is the caller's.
    init(_ ring: UnsafeMutablePointer<io_uring>, entries: UInt32, completions: UInt32) throws(SystemError) {
        // What may fail comes before any stored property is set: a value that is whole is torn down when its `init` throws.
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

    /// Epoll, and the two ends of the line on which messages come.
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

    /// Begins all operations queued.
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

    /// Begins what is queued and waits for a completion.
    ///
    /// - Parameter nanoseconds: how long at most; negative waits for ever, zero not at all.
    /// - Returns: zero, or the `errno` of a failure.
    mutating func submitAndWait(nanoseconds: Int64) -> Int32 {
        submit()
        if ringway_completions_ready(ring) > 0 {
            // Mostly the ends of sends and writes. Who waits for events is asked for with the next turn, which comes at
            // once, but never later.
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
            // An event that nothing waited for.
            guard nanoseconds > 0 else { continue }
            left = nanoseconds - Int64(clamping: ringway_monotonic_nanoseconds() &- start)
            guard left > 0 else { return 0 }
        }
    }

    /// Asks epoll once, and carries out what has become possible.
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

    /// What a message is on the line: the tag and the result of the completion that it becomes.
    private struct Message: BitwiseCopyable {
        var tag: UInt64 = 0
        var result: Int64 = 0
    }

    /// Sends a message to the ring whose line `entry` names.
    func sendMessage(_ entry: UnsafeMutablePointer<io_uring_sqe>) -> Int32 {
        var message = Message(tag: entry.pointee.off, result: Int64(Int32(bitPattern: entry.pointee.len)))
        let size = MemoryLayout<Message>.size
        let sent = ringway_try_send(entry.pointee.fd, &message, size, UInt32(MSG_NOSIGNAL))
        // A line that is full wakes its owner anyhow.
        return sent == size ? 0 : sent == -Int64(EAGAIN) ? -EOVERFLOW : Int32(truncatingIfNeeded: min(sent, -1))
    }

    /// Posts a completion for each message, as far as there is room: epoll tells of the others again.
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

    /// Completions that may be posted now.
    var room: Int {
        let queue = ring.pointee.cq
        return Int(queue.ring_entries &- (queue.ktail.pointee &- queue.khead.pointee))
    }

    var hasRoom: Bool { room > 0 }

    /// Posts a completion, for which there must be room.
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

    /// Posts the completions that have waited, as far as there is room.
    mutating func postEnded() {
        while !ended.isEmpty, hasRoom {
            let slot = ended.first
            operations.remove(slot, from: &ended)
            post(operations[slot].pointee.entry.user_data, operations[slot].pointee.result, 0)
            operations.remove(slot)
        }
    }
}
