internal import CRingway

/// A thread's use of the processor.
public struct ThreadUsage: Equatable, Sendable {
    /// Nanoseconds of processor time.
    public var nanoseconds: UInt64 = 0
    /// Voluntary context switches (`ru_nvcsw` of getrusage(2)).
    public var waits: UInt64 = 0

    public init() {}

    /// The usage of the calling thread.
    public static func ofThread() -> ThreadUsage {
        var usage = ThreadUsage()
        ringway_thread_usage(&usage.nanoseconds, &usage.waits)
        return usage
    }

    /// Processors that the process may run on.
    static var processors: Int { Int(ringway_processors()) }
}
