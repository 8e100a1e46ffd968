internal import CRingway
public import RingwayRing
internal import RingwayStorage
public import RingwaySystem

/// The ring, clock and doorbell of one thread.
///
/// The owner's turn starts with `wait`, which submits all queued operations, waits for a completion, the deadline or
/// the doorbell, and reads the clock once. The owner then handles a bounded number of completions, all with the same
/// `now`. It never blocks elsewhere.
public struct Reactor: ~Copyable {
    public var ring: Ring
    public let doorbell: Doorbell
    /// This turn's clock reading, monotonic nanoseconds.
    public private(set) var now: UInt64
    /// Whether to poll before sleeping; never by default.
    public var busyPoll: BusyPoll
    private var eventBuffer: UnsafeMutablePointer<UInt64>

    /// Fails if there is no descriptor for the doorbell.
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

    /// Monotonic nanoseconds; a stepped owner's clock is its ring's.
    public static func clock() -> UInt64 { ringway_monotonic_nanoseconds() }

    /// Polls the doorbell's eventfd with `tag`; re-armed after each completion.
    public mutating func listen(_ tag: OperationTag) {
        ring.read(doorbell.event, into: UnsafeMutableRawBufferPointer(start: eventBuffer, count: 8), tag)
    }

    /// Wakes another shard through its ring.
    public mutating func wake(_ other: Doorbell, _ tag: OperationTag) {
        guard other.claimWake() else { return }
        ring.post(tag, toRing: other.ringDescriptor)
    }

    /// Submits, waits, and reads the clock.
    ///
    /// - Parameters:
    ///   - deadline: monotonic nanoseconds; `nil` if no timer is set.
    ///   - hasMail: called after `beginWaiting`; true means "do not wait".
    /// - Returns: zero, or the `errno` of the ring.
    public mutating func wait(until deadline: UInt64?, hasMail: () -> Bool) -> Int32 {
        // The last turn's clock reading is precise enough: the deadline is at most one turn late.
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

    /// Polls for a completion or mail as long as `busyPoll` allows. Work that is ready at once does not count.
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

    /// For an owner that is stepped by a simulation rather than running on a thread: the first half of `wait`, up to
    /// the point at which the thread would sleep. The scripted ring records the timeout. `endSleep` is the second half.
    public mutating func beginSleep(until deadline: UInt64?, hasMail: () -> Bool) -> Int32 {
        var limit: Int64 = -1
        if let deadline { limit = deadline > now ? Int64(clamping: deadline - now) : 0 }
        doorbell.beginWaiting()
        return ring.submitAndWait(nanoseconds: hasMail() ? 0 : limit)
    }

    /// A completion is ready, or the timeout has passed.
    public mutating func endSleep() {
        doorbell.endWaiting()
        now = ring.clock()
    }
}
