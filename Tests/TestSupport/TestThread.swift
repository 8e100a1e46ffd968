import Glibc

/// A thread of a test, such as one that drives a second ring.
public final class TestThread {
    private final class Body {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    private var thread = pthread_t()

    /// Starts the thread.
    public init(_ run: @escaping @Sendable () -> Void) {
        let body = Unmanaged.passRetained(Body(run)).toOpaque()
        let result = pthread_create(&thread, nil, TestThread.start, body)
        precondition(result == 0, "the system gives no thread")
    }

    private static let start: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
        return nil
    }

    /// Waits for the thread's end. Called once.
    public func join() { pthread_join(thread, nil) }
}

/// Lets another thread of the same core run.
public func yieldThread() { sched_yield() }
