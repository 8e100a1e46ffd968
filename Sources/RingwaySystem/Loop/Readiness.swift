internal import Glibc

/// Waits for a single descriptor by poll(2).
public enum Readiness {
    /// Waits until a descriptor is readable. A signal that the process handles does not end the wait.
    ///
    /// - Parameter milliseconds: the timeout; negative for none.
    /// - Returns: false on timeout, or if poll(2) fails.
    public static func wait(for descriptor: Int32, milliseconds: Int32) -> Bool {
        let deadline = MonotonicClock.now() + UInt64(max(0, milliseconds)) * 1_000_000
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        var remaining = milliseconds
        while true {
            let count = poll(&entry, 1, remaining)
            guard count < 0, errno == EINTR else { return count == 1 }
            guard milliseconds >= 0 else { continue }
            let now = MonotonicClock.now()
            remaining = now >= deadline ? 0 : Int32(clamping: (deadline - now + 999_999) / 1_000_000)
        }
    }
}
