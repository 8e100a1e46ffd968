import RingwayStorage

/// A wheel beside the simplest equivalent: a dictionary of deadlines.
final class TimerBench {
    /// Nanoseconds in a tick of the wheel: the most that a timer may be late.
    static let tick: UInt64 = 1 << 20

    private var wheel: TimerWheel
    private(set) var deadlines: [UInt32: UInt64] = [:]
    private(set) var now: UInt64

    init(capacity: Int = 64, now: UInt64 = 0) {
        wheel = MemoryFailure.trap { try TimerWheel(capacity: capacity, now: now) }
        self.now = now
    }

    var count: Int { wheel.count }
    var nextDeadline: UInt64? { wheel.nextDeadline }
    func isScheduled(_ timer: UInt32) -> Bool { wheel.isScheduled(timer) }

    func schedule(_ timer: UInt32, at deadline: UInt64) {
        wheel.schedule(timer, at: deadline)
        deadlines[timer] = deadline
    }

    func cancel(_ timer: UInt32) {
        wheel.cancel(timer)
        deadlines[timer] = nil
    }

    /// Sets the clock and runs expired timers, returning the wheel's errors.
    func advance(to instant: UInt64) -> (fired: [UInt32], faults: [String]) {
        now = instant
        var fired: [UInt32] = []
        var faults: [String] = []
        while let timer = wheel.popExpired(now: now) {
            fired.append(timer)
            guard let deadline = deadlines.removeValue(forKey: timer) else {
                faults.append("timer \(timer) fired at \(now) though it was not scheduled")
                continue
            }
            if deadline > now { faults.append("timer \(timer) fired \(deadline - now) ns early") }
        }
        for (timer, deadline) in deadlines where now >= Self.tick && deadline <= now - Self.tick {
            faults.append("timer \(timer) is \(now - deadline) ns late")
        }
        if wheel.count != deadlines.count {
            faults.append("the wheel counts \(wheel.count) timers and there are \(deadlines.count)")
        }
        if let next = wheel.nextDeadline, let earliest = deadlines.values.min() {
            // Rounded up to its tick, the earliest deadline is when the first timer may fire.
            if next >= Self.tick, next - Self.tick > max(earliest, now) {
                faults.append("the next deadline comes too late")
            }
        } else if (wheel.nextDeadline == nil) != deadlines.isEmpty {
            faults.append("the next deadline is there without timers, or missing with them")
        }
        return (fired, faults)
    }
}
