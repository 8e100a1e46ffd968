internal import CRingway
internal import Glibc
internal import RingwaySystem

/// The back end for simulations. It executes submissions on the files of a simulated host (`ScriptedHost`), controlled
/// by that host's script and virtual clock.
///
/// ## Theory of operation
///
/// The queues have liburing's layout in ordinary memory, and nothing blocks. Each submission becomes a
/// `ScriptedOperation`, which references its file, as an operation in the kernel does. The host's script decides when
/// the operation is attempted; if it would block, it is attempted again after its file has changed. The script delivers
/// the resulting completion immediately or late, so that completions may overtake each other and cancels may come too
/// late.
///
///     submitted ─► scheduled ─► attempted ─► over ─► delivered
///                      ▲            │
///                      └─ woken ─ waiting
///
/// Waiting does not block: the ring records until when its owner would sleep, and the simulation resumes the owner at a
/// completion or at that time.
public final class ScriptedRing {
    private let ring: UnsafeMutablePointer<io_uring>
    private let memory: UnsafeMutableRawPointer
    let host: ScriptedHost
    var provided = ProvidedRings()
    /// Operations that have not ended, in the order of submission.
    private var operations: [ScriptedOperation] = []
    /// Completions for which the queue had no room.
    private var heldBack: [Completion] = []
    private var isClosed = false
    /// The number of scheduled events of this ring, by tenant.
    public private(set) var scheduledEvents: [UInt16: Int] = [:]
    /// The virtual time at which the owner's latest wait times out; `.max` without a timeout.
    public private(set) var sleepsUntil: UInt64 = 0

    init(_ ring: UnsafeMutablePointer<io_uring>, entries: UInt32, completions: UInt32) throws(SystemError) {
        guard let host = HostModel.current as? ScriptedHost else {
            throw SystemError("a scripted ring needs a scripted host", errno: ENODEV)
        }
        memory = try RingMemory.lay(out: ring, entries: entries, completions: max(completions, entries))
        self.ring = ring
        self.host = host
        ring.pointee.ring_fd = host.opened(self)
        // Completions are posted without a system call, so none is ever deferred and IORING_SQ_TASKRUN is clear.
        ring.pointee.sq.kflags.pointee = 0
    }

    var now: UInt64 { host.now }
    public var descriptor: Int32 { ring.pointee.ring_fd }
    /// The number of operations that have not ended.
    public var operationCount: Int { operations.count }
    public func operationCount(of tenant: UInt16) -> Int { operations.count { $0.tenant == tenant } }
    public func countEvent(of tenant: UInt16, _ change: Int) { scheduledEvents[tenant, default: 0] += change }
    public var hasCompletion: Bool { ringway_completions_ready(ring) > 0 }

    /// Ends all operations and releases their files.
    func close() {
        isClosed = true
        for operation in operations { end(operation) }
        operations = []
        host.closed(self)
        memory.deallocate()
    }

    func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        provided.register(memory, entries: entries, group: group)
    }

    // MARK: Submitting

    func submit() {
        postHeldBack()
        let queue = ring.pointee.sq
        var head = queue.khead.pointee
        while head != queue.sqe_tail {
            begin((queue.sqes + Int(head & queue.ring_mask)).pointee)
            head &+= 1
        }
        queue.khead.pointee = head
        ring.pointee.sq.sqe_head = head
    }

    func submitAndSleep(nanoseconds: Int64) -> Int32 {
        submit()
        sleepsUntil = nanoseconds < 0 ? .max : host.now &+ UInt64(nanoseconds)
        return 0
    }

    private func begin(_ entry: io_uring_sqe) {
        switch OperationCode(rawValue: entry.opcode) {
        case .nothing: finish(entry, 0)
        case .cancel: finish(entry, cancel(entry))
        case .messageRing: finish(entry, sendMessage(entry))
        case .close, .shutdown, nil: finish(entry, -EINVAL)
        default:
            guard let file = host.file(entry.fd) else {
                host.blame("an operation was submitted on descriptor \(entry.fd), which is closed")
                return finish(entry, -EBADF)
            }
            let operation = ScriptedOperation(entry, self, file)
            file.hold()
            operations.append(operation)
            goOn(operation)
        }
    }

    /// Completes an operation that has no file.
    private func finish(_ submitted: io_uring_sqe, _ result: Int32) {
        var entry = submitted
        if result >= 0, ringway_skips_success(&entry) { return }
        let completion = Completion(tag: OperationTag(rawValue: entry.user_data), result: result, flags: 0)
        deliver(completion, of: nil)
    }

    private func sendMessage(_ entry: io_uring_sqe) -> Int32 {
        guard let other = host.ring(entry.fd) else { return -EBADFD }
        let completion = Completion(
            tag: OperationTag(rawValue: entry.off), result: Int32(bitPattern: entry.len), flags: 0)
        host.schedule(completion, of: nil, to: other, at: host.now)
        return 0
    }

    // MARK: Attempting

    /// Attempts an operation now, or when the script says so.
    private func goOn(_ operation: ScriptedOperation) {
        operation.state = .scheduled
        let delay = host.delay(of: operation)
        if delay == 0 { attempt(operation) } else { host.schedule(operation, after: delay) }
    }

    /// Called when the file of a waiting operation has changed.
    func wake(_ operation: ScriptedOperation) {
        if operation.state == .waiting { goOn(operation) }
    }

    /// Attempts an operation at its scheduled time.
    public func attempt(_ operation: ScriptedOperation) {
        guard !isClosed, operation.state == .scheduled else { return }
        while operation.state == .scheduled {
            let failure = host.failure(of: operation)
            switch failure == 0 ? carryOut(operation) : .done(-failure, 0) {
            case .wouldWait where operation.isLast: takeBack(operation)
            case .wouldWait:
                operation.state = .waiting
                operation.file.wait(operation)
            case .done(let result, let flags): done(operation, result, flags)
            }
        }
    }

    private func done(_ operation: ScriptedOperation, _ result: Int32, _ flags: UInt32) {
        var entry = operation.entry
        let isGoingOn =
            withUnsafeMutablePointer(to: &entry) { $0.isMultishot }
            && (result > 0 || result == 0 && operation.kind == .accept) && !operation.isLast && !host.ends(operation)
        if !isGoingOn {
            operations.removeAll { $0 === operation }
            operation.state = .over
        }
        complete(operation, result, flags | (isGoingOn ? IORING_CQE_F_MORE : 0))
        guard isGoingOn else { return }
        if operation.kind == .poll {
            // A multishot poll is not attempted again at once, which would report the same events: it waits until the
            // file has changed.
            operation.state = .waiting
            operation.file.wait(operation)
        }
    }

    // MARK: Completing

    private func complete(_ operation: ScriptedOperation, _ result: Int32, _ flags: UInt32) {
        let completion = Completion(tag: OperationTag(rawValue: operation.tag), result: result, flags: flags)
        operation.undelivered += 1
        let at = max(operation.lastDelivery, host.now &+ host.lateness(of: operation))
        operation.lastDelivery = at
        if at == host.now, operation.undelivered == 1 {
            deliver(completion, of: operation)
        } else {
            host.schedule(completion, of: operation, to: self, at: at)
        }
    }

    /// Posts a completion to the owner. The last completion of an operation that has ended releases the operation's
    /// file.
    public func deliver(_ completion: Completion, of operation: ScriptedOperation?) {
        if let operation {
            operation.undelivered -= 1
            if operation.state == .over, operation.undelivered == 0 { operation.file.letGo() }
        }
        guard !isClosed else { return }
        heldBack.append(completion)
        postHeldBack()
        host.completed(self, completion)
    }

    func postHeldBack() {
        guard !heldBack.isEmpty else { return }
        let queue = ring.pointee.cq
        var posted = 0
        while posted < heldBack.count, queue.ktail.pointee &- queue.khead.pointee < queue.ring_entries {
            let completion = queue.cqes + Int(queue.ktail.pointee & queue.ring_mask)
            completion.pointee.user_data = heldBack[posted].tag.rawValue
            completion.pointee.res = heldBack[posted].result
            completion.pointee.flags = heldBack[posted].flags
            queue.ktail.pointee &+= 1
            posted += 1
        }
        heldBack.removeFirst(posted)
    }

    // MARK: Ending

    /// Removes an operation without a completion, because the ring is closed.
    private func end(_ operation: ScriptedOperation) {
        operation.file.stopWaiting(operation)
        operation.state = .over
        if operation.undelivered == 0 { operation.file.letGo() }
    }

    private func cancel(_ entry: io_uring_sqe) -> Int32 {
        guard entry.cancel_flags & IORING_ASYNC_CANCEL_FD != 0 else { return cancel(entry.addr) }
        guard let file = host.file(entry.fd) else {
            host.blame("operations were cancelled on descriptor \(entry.fd), which is closed")
            return -EBADF
        }
        let found = operations.filter { $0.file === file }
        for operation in found { _ = cancel(operation) }
        return Int32(found.count)
    }

    private func cancel(_ tag: UInt64) -> Int32 {
        operations.last { $0.tag == tag }.map(cancel) ?? -ENOENT
    }

    private func cancel(_ operation: ScriptedOperation) -> Int32 {
        if operation.state == .scheduled, host.isTooLate(toCancel: operation) {
            operation.isLast = true
            return -EALREADY
        }
        takeBack(operation)
        return 0
    }

    private func takeBack(_ operation: ScriptedOperation) {
        operation.file.stopWaiting(operation)
        operations.removeAll { $0 === operation }
        operation.state = .over
        complete(operation, -ECANCELED, 0)
    }

    func cancelNow(_ tag: UInt64) -> Int32 {
        let found = operations.filter { $0.tag == tag }
        for operation in found { takeBack(operation) }
        return Int32(found.count)
    }
}
