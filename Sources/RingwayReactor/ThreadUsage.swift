internal import CRingway

/// What a thread has used since it began.
public struct ThreadUsage: Equatable, Sendable {
    /// Nanoseconds of processor time.
    public var nanoseconds: UInt64 = 0
    /// Times that it gave the processor up to wait (`ru_nvcsw` of getrusage(2)).
    public var waits: UInt64 = 0

    public init() {}

    /// Of the calling thread.
    public static func ofThread() -> ThreadUsage {
        var usage = ThreadUsage()
        ringway_thread_usage(&usage.nanoseconds, &usage.waits)
        return usage
    }

    /// Processors that the process may run on.
    static var processors: Int { Int(ringway_processors()) }
}
