internal import CRingway
internal import Glibc

/// A plain thread, which is waited for at its end.
public struct AgentThread: ~Copyable {
    private let thread: pthread_t

    /// Starts a thread that runs `body`.
    ///
    /// - Parameter name: at most fifteen octets.
    public init(_ name: StaticString, _ body: @escaping @Sendable () -> Void) throws(AgentFailure) {
        var started = pthread_t()
        let argument = Unmanaged.passRetained(Body(name: name, run: body))
        // Nothing here is deep, and the default of eight MiB is touched by what the C library puts on top.
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setstacksize(&attributes, 256 << 10)
        let result = pthread_create(&started, &attributes, AgentThread.main, argument.toOpaque())
        pthread_attr_destroy(&attributes)
        guard result == 0 else {
            argument.release()
            throw AgentFailure(cannot: "start a thread", errorNumber: result)
        }
        thread = started
    }

    /// Lets the thread end by itself.
    public consuming func detach() { pthread_detach(thread) }

    /// Waits for the thread's end.
    public consuming func join() { pthread_join(thread, nil) }

    private final class Body: Sendable {
        let name: StaticString
        let run: @Sendable () -> Void

        init(name: StaticString, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Declared here, not as a closure at the point of use, so that no actor's isolation is inherited.
    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        body.name.utf8Start.withMemoryRebound(to: CChar.self, capacity: body.name.utf8CodeUnitCount) {
            ringway_name_thread($0)
        }
        body.run()
        return nil
    }
}
