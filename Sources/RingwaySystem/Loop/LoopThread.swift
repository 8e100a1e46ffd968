internal import Synchronization

/// An event loop on its own thread, and the means to run code on it from other threads.
///
/// A posted closure wakes the loop, and runs on its thread at the end of that turn; closures run in the order of
/// posting. So state that belongs to the loop (`LoopConfined`) needs no lock. The first post, or `start`, starts the
/// thread.
public final class LoopThread: Sendable {
    public typealias Work = @Sendable (EventLoop) -> Void

    private struct Inbox {
        var work: [Work] = []
        var thread: SystemThread?
        var isStopping = false
    }

    private let name: StaticString
    private let stackBytes: Int?
    private let kind: ThreadKind
    private let inbox = Mutex(Inbox())
    private let wakeup: Wakeup
    // The loop is confined to the thread once the thread has started; before, only `LoopConfined` uses it, to create
    // a value.
    fileprivate nonisolated(unsafe) let loop: EventLoop

    /// - Parameters:
    ///   - name: the thread's name, at most fifteen bytes.
    ///   - stackBytes: the stack size; `nil` for the C library's default, usually 8 MiB.
    ///   - kind: the kind that `ThreadStart` is told.
    public init(
        _ name: StaticString, stackBytes: Int? = nil, kind: ThreadKind = .service
    ) throws(SystemError) {
        self.name = name
        self.kind = kind
        self.stackBytes = stackBytes
        wakeup = try Wakeup()
        loop = try EventLoop()
        guard loop.register(WakeupMember(wakeup), descriptor: wakeup.descriptor, interest: .read) else {
            throw SystemError("cannot watch an event descriptor")
        }
    }

    /// The member that owns the descriptor of `wakeup`. Its only effect is to end the loop's wait.
    private final class WakeupMember: LoopMember {
        private let wakeup: Wakeup

        init(_ wakeup: Wakeup) { self.wakeup = wakeup }

        override func ready(_ events: EventLoop.Events) { wakeup.clear() }
    }

    /// Starts the thread, if it is not running.
    public func start() throws(SystemError) {
        try inbox.withLock { (inbox) throws(SystemError) in try start(&inbox) }
    }

    private func start(_ inbox: inout Inbox) throws(SystemError) {
        guard inbox.thread == nil, !inbox.isStopping else { return }
        inbox.thread = try SystemThread(name, stackBytes: stackBytes, kind: kind) { [self] in run() }
    }

    fileprivate var hasStarted: Bool { inbox.withLock { $0.thread != nil } }

    /// Whether the caller runs on the loop's thread.
    public var isCurrent: Bool { inbox.withLock { $0.thread }?.isCurrent ?? false }

    /// Runs a closure on the loop's thread.
    ///
    /// - Returns: false after `stop`; the closure then does not run. An accepted closure always runs, unless the thread
    ///   can never be started.
    @discardableResult
    public func post(_ work: @escaping Work) -> Bool { accept(work) != .refused }

    private enum Acceptance { case refused, queued, running }

    /// Queues a closure, and starts the thread if it is not running. Returns `queued` if the thread cannot be
    /// started; the next post tries again.
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

    /// Posts a closure and waits until it has run; on the loop's own thread it runs at once.
    ///
    /// - Parameter milliseconds: the timeout; negative for none. A caller needs one if the loop's thread may be
    ///   waiting for the caller, because otherwise both could wait forever.
    /// - Returns: false on timeout, if the loop has stopped, or if no thread or no descriptor was available. The
    ///   closure may still run later, unless the loop has stopped.
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
            // The caller cannot wait without a descriptor, so the closure runs later, and the caller does not learn
            // when.
            post(work)
            return false
        }
        let acceptance = accept { loop in
            work(loop)
            done.signal()
        }
        // If the thread could not be started, nothing would end the wait.
        return acceptance == .running && done.wait(milliseconds: milliseconds)
    }

    /// Runs posted closures, ends the thread and removes the loop's members. Returns when the thread has ended; a
    /// call on that thread itself returns at once.
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

/// A value that only a loop's thread may access. Other threads reach it by closures that they post to that thread.
public final class LoopConfined<Value>: @unchecked Sendable {
    // The class may be Sendable, because every access is checked to be on the thread.
    private var stored: Value
    private let thread: LoopThread

    /// Wraps a value to which there are no other references.
    public init(_ value: sending Value, to thread: LoopThread) {
        stored = value
        self.thread = thread
    }

    /// Creates a value that uses the loop, before the thread starts.
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
