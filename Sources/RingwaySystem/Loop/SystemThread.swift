internal import CRingway
internal import Glibc
internal import Synchronization

/// A named POSIX thread with all signals blocked.
///
/// Every signal is blocked from the thread's first instruction on, so that the kernel delivers signals to the threads
/// that handle them. SIGPIPE is blocked, too: splice(2) raises it if the peer of the socket has closed the
/// connection, and no flag of splice(2) prevents that.
///
/// The thread inherits per-thread state of its creator, such as the network namespace.
public final class SystemThread: Sendable {
    private let thread: pthread_t
    /// Whether the thread was joined or detached, which happens once.
    private let isReleased = Atomic<Bool>(false)

    /// Starts a thread that runs `body`.
    ///
    /// - Parameters:
    ///   - name: at most fifteen bytes.
    ///   - stackBytes: the stack size; `nil` for the C library's default, usually 8 MiB.
    ///   - kind: the kind that `ThreadStart` is told.
    public init(
        _ name: StaticString, stackBytes: Int? = nil, kind: ThreadKind = .service,
        _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) {
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        // The new thread inherits the signal mask.
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        if let stackBytes { pthread_attr_setstacksize(&attributes, stackBytes) }
        var started = pthread_t()
        let argument = Unmanaged.passRetained(Body(name: name, kind: kind, run: body))
        let result = pthread_create(&started, &attributes, Self.main, argument.toOpaque())
        guard result == 0 else {
            argument.release()
            throw SystemError("cannot start a thread", errno: result)
        }
        thread = started
    }

    deinit {
        // A thread that was not joined is detached.
        if release() { pthread_detach(thread) }
    }

    /// Whether the caller runs on this thread.
    public var isCurrent: Bool { pthread_equal(thread, pthread_self()) != 0 }

    /// Waits for the thread's end. Returns at once on the thread itself, or after an earlier call.
    public func join() {
        guard !isCurrent, release() else { return }
        pthread_join(thread, nil)
    }

    private func release() -> Bool { !isReleased.exchange(true, ordering: .acquiringAndReleasing) }

    private final class Body: Sendable {
        let name: StaticString
        let kind: ThreadKind
        let run: @Sendable () -> Void

        init(name: StaticString, kind: ThreadKind, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.kind = kind
            self.run = run
        }
    }

    /// The thread's entry point. It is a static property and not a closure in `init`, so that it inherits no actor
    /// isolation.
    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        body.name.utf8Start.withMemoryRebound(to: CChar.self, capacity: body.name.utf8CodeUnitCount) {
            ringway_name_thread($0)
        }
        ThreadStart.begin(body.kind)
        body.run()
        return nil
    }
}
