internal import Synchronization

/// An event loop on a thread of its own, and the way in for all other threads.
///
/// What is posted runs on the loop's thread, in order, after the events of the turn that it wakes; so what belongs to
/// the loop (`LoopConfined`) needs no lock. The thread starts when it is first needed.
public final class LoopThread: Sendable {
    public typealias Work = @Sendable (EventLoop) -> Void

    private struct Inbox {
        var work: [Work] = []
        var thread: SystemThread?
        var isStopping = false
    }

    private let name: StaticString
    private let stackBytes: Int?
    private let inbox = Mutex(Inbox())
    private let wakeup: Wakeup
    // Confined: the thread's from its start on; before that only `LoopConfined` uses it, to make a value.
    fileprivate nonisolated(unsafe) let loop: EventLoop

    /// - Parameters:
    ///   - name: the thread's, at most fifteen bytes.
    ///   - stackBytes: the size of its stack, where the C library's eight MiB are too much.
    public init(_ name: StaticString, stackBytes: Int? = nil) throws(SystemError) {
        self.name = name
        self.stackBytes = stackBytes
        wakeup = try Wakeup()
        loop = try EventLoop()
        guard loop.register(WakeupMember(wakeup), descriptor: wakeup.descriptor, interest: .read) else {
            throw SystemError("cannot watch an event descriptor")
        }
    }

    /// Ends nothing but the loop's waits.
    private final class WakeupMember: LoopMember {
        private let wakeup: Wakeup

        init(_ wakeup: Wakeup) { self.wakeup = wakeup }

        override func ready(_ events: EventLoop.Events) { wakeup.clear() }
    }

    /// Starts the thread, where it has not been started yet.
    public func start() throws(SystemError) {
        try inbox.withLock { (inbox) throws(SystemError) in try start(&inbox) }
    }

    private func start(_ inbox: inout Inbox) throws(SystemError) {
        guard inbox.thread == nil, !inbox.isStopping else { return }
        inbox.thread = try SystemThread(name, stackBytes: stackBytes) { [self] in run() }
    }

    fileprivate var hasStarted: Bool { inbox.withLock { $0.thread != nil } }

    /// Whether the caller runs on the loop's thread.
    public var isCurrent: Bool { inbox.withLock { $0.thread }?.isCurrent ?? false }

    /// Has the loop's thread do something.
    ///
    /// - Returns: false after `stop`: nothing is done then. What was accepted is done.
    @discardableResult
    public func post(_ work: @escaping Work) -> Bool { accept(work) != .refused }

    private enum Acceptance { case refused, queued, running }

    /// Takes work on; `queued` where there is no thread for it now, which is tried again with what is posted next.
    private func accept(_ work: @escaping Work) -> Acceptance {
        let acceptance: Acceptance = inbox.withLock { inbox in
            guard !inbox.isStopping else { return .refused }
            inbox.work.append(work)
            try? start(&inbox)
            return inbox.thread == nil ? .queued : .running
        }
        if acceptance != .refused { wakeup.signal() }
        return acceptance
    }

    /// The same, and waits until it is done; on the loop's own thread it is done at once.
    ///
    /// - Parameter milliseconds: the timeout, for a caller that the loop's thread may itself wait for; negative waits
    ///   without one.
    /// - Returns: false when it was not done in time, is not done because the loop has stopped, or is done only when a
    ///   thread can be had.
    @discardableResult
    public func perform(timeout milliseconds: Int32 = -1, _ work: @escaping Work) -> Bool {
        if isCurrent {
            work(loop)
            return true
        }
        let done: Wakeup
        do throws(SystemError) {
            done = try Wakeup()
        } catch {
            // With no descriptor left there is nothing to wait by.
            post(work)
            return false
        }
        let acceptance = accept { loop in
            work(loop)
            done.signal()
        }
        // Without a thread there is nothing to wait for.
        return acceptance == .running && done.wait(milliseconds: milliseconds)
    }

    /// Does what was posted, then ends the thread and forgets the loop's members. Returns when the thread has ended,
    /// unless it is the caller.
    public func stop() {
        let thread = inbox.withLock { inbox -> SystemThread? in
            inbox.isStopping = true
            return inbox.thread
        }
        guard let thread else { return }
        wakeup.signal()
        thread.join()
    }

    private func run() {
        var isStopping = false
        while !isStopping {
            loop.runTurn()
            let taken = inbox.withLock { inbox in
                defer { inbox.work = [] }
                return (work: inbox.work, isStopping: inbox.isStopping)
            }
            for work in taken.work { work(loop) }
            isStopping = taken.isStopping
        }
        loop.removeAll()
        inbox.withLock { $0.thread = nil }
    }
}

/// A value that only a loop's thread may touch, for those who have the way to that thread.
public final class LoopConfined<Value>: @unchecked Sendable {
    // Sendable: every access is checked to be on the thread.
    private var stored: Value
    private let thread: LoopThread

    /// Takes a value that nothing else refers to.
    public init(_ value: sending Value, to thread: LoopThread) {
        stored = value
        self.thread = thread
    }

    /// Makes a value that uses the loop, before the thread starts.
    public init(to thread: LoopThread, _ make: (EventLoop) -> Value) {
        precondition(!thread.hasStarted, "the loop is its thread's")
        stored = make(thread.loop)
        self.thread = thread
    }

    public var value: Value {
        get {
            precondition(thread.isCurrent, "what is a loop's is touched on its thread")
            return stored
        }
        set {
            precondition(thread.isCurrent, "what is a loop's is touched on its thread")
            stored = newValue
        }
    }
}
