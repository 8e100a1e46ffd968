internal import Glibc

/// Waits, in the main thread's loop, for readable descriptors and for the time of periodic work.
struct BridgeWait {
    private let period: Int32
    private var due: Int64

    /// - Parameter period: milliseconds between periodic work; negative for none.
    init(period: Int32) {
        self.period = period
        due = period < 0 ? .max : Self.now + Int64(period)
    }

    /// Waits until one of the descriptors is readable or periodic work is due. Negative descriptors are ignored.
    /// Returns the readable ones, and whether the work is due.
    mutating func next(_ descriptors: [Int32]) -> (readable: [Bool], isDue: Bool) {
        var entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let remaining = period < 0 ? -1 : Int32(clamping: max(0, due - Self.now))
        if poll(&entries, nfds_t(entries.count), remaining) < 0 { return (entries.map { _ in false }, false) }
        let isDue = due <= Self.now
        if isDue { due = Self.now + Int64(period) }
        return (entries.map { $0.revents != 0 }, isDue)
    }

    /// Milliseconds on the monotonic clock.
    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000
    }
}
