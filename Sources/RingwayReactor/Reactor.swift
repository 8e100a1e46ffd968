internal import CRingway
public import RingwayRing
internal import RingwayStorage
public import RingwaySystem

/// The ring, clock and doorbell of one thread.
///
/// Each turn of the thread starts with `wait`, which submits all queued operations, waits for a completion, the
/// deadline or the doorbell, and reads the clock. The thread then handles a bounded number of completions, all with
/// the same `now`. It blocks nowhere else.
public struct Reactor: ~Copyable {
    public var ring: Ring
    public let doorbell: Doorbell
    /// This turn's clock reading, monotonic nanoseconds.
    public private(set) var now: UInt64
    /// Decides whether to poll before sleeping. By default the thread never polls.
    public var busyPoll: BusyPoll
    private var eventBuffer: UnsafeMutablePointer<UInt64>

    /// Attaches the ring to the doorbell. Fails if there is no memory, or no descriptor for the doorbell.
    public init(
        ring: consuming Ring, doorbell: Doorbell, busyPoll: BusyPoll = BusyPoll(limit: 0)
    ) throws(SystemError) {
        let eventBuffer: UnsafeMutablePointer<UInt64>
        do throws(MemoryFailure) { eventBuffer = try .allocateApart(capacity: 1) } catch { throw SystemError(error) }
        do throws(SystemError) {
            try doorbell.attach(ring.descriptor, of: ring.features.backEnd)
        } catch {
            eventBuffer.deallocate()
            throw error
        }
        now = ring.clock()
        self.ring = ring
        self.doorbell = doorbell
        self.busyPoll = busyPoll
        self.eventBuffer = eventBuffer
        eventBuffer.initialize(to: 0)
    }

    deinit { eventBuffer.deallocate() }

    /// The kernel's monotonic clock, in nanoseconds. A simulation has a clock of its own, which `Ring.clock` reads.
    public static func clock() -> UInt64 { ringway_monotonic_nanoseconds() }

    /// Submits a read of the doorbell's eventfd, which completes with `tag` when a thread calls `wake`. To be called
    /// again after each completion.
    public mutating func listen(_ tag: OperationTag) {
        ring.read(doorbell.event, into: UnsafeMutableRawBufferPointer(start: eventBuffer, count: 8), tag)
    }

    /// Wakes another shard through its ring, unless that shard is running or has been woken already.
    public mutating func wake(_ other: Doorbell, _ tag: OperationTag) {
        guard other.claimWake() else { return }
        ring.post(tag, toRing: other.ringDescriptor)
    }

    /// Submits, waits, and reads the clock.
    ///
    /// - Parameters:
    ///   - deadline: the time of the next timer, in monotonic nanoseconds; `nil` if no timer is set.
    ///   - hasMail: whether mail has arrived, so that the thread must not sleep. Called after `beginWaiting`, and
    ///     while polling.
    /// - Returns: zero, or the `errno` with which the ring failed.
    public mutating func wait(until deadline: UInt64?, hasMail: () -> Bool) -> Int32 {
        // `now` is still the last turn's clock reading. That is precise enough: a timer is late by at most a turn's
        // duration.
        var limit: Int64 = -1
        if let deadline { limit = deadline > now ? Int64(clamping: deadline - now) : 0 }
        if busyPoll.isWorthwhile, limit != 0 {
            let error = ring.submit()
            guard error == 0, !poll(hasMail) else {
                now = Reactor.clock()
                return error
            }
            return sleep(limit, hasMail)
        }
        guard busyPoll.limit > 0, limit != 0 else { return sleep(limit, hasMail) }
        let start = Reactor.clock()
        let error = sleep(limit, hasMail)
        busyPoll.slept(now - start)
        return error
    }

    /// Polls for a completion or mail, for as long as `busyPoll` allows. Returns whether there is any. A completion
    /// that is ready at once does not count as found by polling.
    private mutating func poll(_ hasMail: () -> Bool) -> Bool {
        if ring.hasCompletion() { return true }
        let end = Reactor.clock() + busyPoll.limit
        repeat {
            for _ in 0..<16 {
                if ring.hasCompletion() || hasMail() {
                    busyPoll.polled(found: true)
                    return true
                }
                ringway_pause()
            }
        } while Reactor.clock() < end
        busyPoll.polled(found: false)
        return false
    }

    private mutating func sleep(_ nanoseconds: Int64, _ hasMail: () -> Bool) -> Int32 {
        doorbell.beginWaiting()
        let error = ring.submitAndWait(nanoseconds: hasMail() ? 0 : nanoseconds)
        endSleep()
        return error
    }

    /// The first half of `wait`, up to the point at which the thread would sleep, without polling. A simulation calls
    /// it, because it runs many shards on one thread, a step at a time. The scripted ring records the timeout and
    /// returns at once. `endSleep` is the second half.
    public mutating func beginSleep(until deadline: UInt64?, hasMail: () -> Bool) -> Int32 {
        var limit: Int64 = -1
        if let deadline { limit = deadline > now ? Int64(clamping: deadline - now) : 0 }
        doorbell.beginWaiting()
        return ring.submitAndWait(nanoseconds: hasMail() ? 0 : limit)
    }

    /// The second half of `wait`, called when a completion is ready or the timeout has passed.
    public mutating func endSleep() {
        doorbell.endWaiting()
        now = ring.clock()
    }
}
