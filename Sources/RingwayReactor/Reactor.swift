internal import CRingway
public import RingwayRing
internal import RingwayStorage

/// The ring, clock and doorbell of one thread.
///
/// The owner's turn begins with `wait`, which submits everything queued, waits for a completion, the deadline or the
/// doorbell, and reads the clock once. The owner then takes as many completions from the ring as it means to handle in a
/// turn, and sees one `now` for all of them. It never blocks elsewhere.
public struct Reactor: ~Copyable {
    public var ring: Ring
    public let doorbell: Doorbell
    /// This turn's clock reading, monotonic nanoseconds.
    public private(set) var now: UInt64
    /// Whether to look for work before sleeping; never, unless it was given a limit.
    public var busyPoll: BusyPoll
    /// Times that the thread looked for work instead of sleeping, and did not find any at once.
    public private(set) var idlePolls: UInt64 = 0
    private var eventBuffer: UnsafeMutablePointer<UInt64>

    /// Fails when no descriptor is left for the doorbell's end of the ring.
    public init(
        ring: consuming Ring, doorbell: Doorbell, busyPoll: BusyPoll = BusyPoll(limit: 0)
    ) throws(RingError) {
        let eventBuffer: UnsafeMutablePointer<UInt64>
        do throws(MemoryFailure) { eventBuffer = try .allocateApart(capacity: 1) } catch { throw RingError(error) }
        do throws(RingError) {
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

    /// Listens for the doorbell's event under `tag`; again after each completion.
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
    ///   - deadline: monotonic nanoseconds; `nil` when no timer is set.
    ///   - hasMail: asked after others have been told to ring; true means "do not wait".
    /// - Returns: zero, or the `errno` that the ring failed with.
    public mutating func wait(until deadline: UInt64?, hasMail: () -> Bool) -> Int32 {
        // The clock of the turn that ends is near enough: the deadline comes at most a turn late.
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

    /// Looks for a completion or mail for as long as `busyPoll` allows. What is ready at once teaches nothing.
    private mutating func poll(_ hasMail: () -> Bool) -> Bool {
        if ring.hasCompletion() { return true }
        idlePolls &+= 1
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

    /// What the calling thread has used; looking for work without finding any at once counts as waiting for it.
    public var usage: ThreadUsage {
        var usage = ThreadUsage.ofThread()
        usage.waits &+= idlePolls
        return usage
    }

    private mutating func sleep(_ nanoseconds: Int64, _ hasMail: () -> Bool) -> Int32 {
        doorbell.beginWaiting()
        let error = ring.submitAndWait(nanoseconds: hasMail() ? 0 : nanoseconds)
        endSleep()
        return error
    }

    /// For an owner that is stepped in place of having a thread: the first half of `wait`, up to where the thread would
    /// sleep. The ring, a scripted one, knows for how long. `endSleep` is the other half.
    public mutating func beginSleep(until deadline: UInt64?, hasMail: () -> Bool) -> Int32 {
        var limit: Int64 = -1
        if let deadline { limit = deadline > now ? Int64(clamping: deadline - now) : 0 }
        doorbell.beginWaiting()
        return ring.submitAndWait(nanoseconds: hasMail() ? 0 : limit)
    }

    /// Something is there, or the time is over.
    public mutating func endSleep() {
        doorbell.endWaiting()
        now = ring.clock()
    }
}
