internal import CRingway
internal import Glibc
public import RingwayRing
internal import RingwaySystem
public import Synchronization

/// How others wake a thread that waits in its ring: another shard by a message to the ring, any other thread by an
/// eventfd. A thread that is awake is not woken.
public final class Doorbell: Sendable {
    private let before: InlineArray<16, UInt64> = .init(repeating: 0)
    /// True while the owner waits, or is about to, and has looked at its mailboxes. Written every turn, so nothing that
    /// others write lies within reach of it (see `CacheLines`).
    @usableFromInline let isWaiting = Atomic<Bool>(false)
    private let after: InlineArray<16, UInt64> = .init(repeating: 0)
    /// The owner's ring; written before any shard runs.
    private let ring = Atomic<Int32>(-1)
    /// Whether `ring` is a descriptor of our own, closed with us.
    private let ownsRing = Atomic<Bool>(false)
    /// Read by the owner's ring; a write wakes it.
    public let event: Int32

    public init() throws(RingError) {
        let event = HostCalls.event()
        guard event >= 0 else { throw RingError(operation: "cannot make a doorbell", errno: errno) }
        self.event = event
    }

    deinit {
        HostCalls.close(event)
        if ownsRing.load(ordering: .relaxed) { close(ring.load(ordering: .relaxed)) }
    }

    /// Names the ring to send messages to. Called once.
    ///
    /// The kernel refuses a message to a descriptor that is no ring; the emulation would write it into whatever file has a
    /// dead ring's number. So the way to an emulated ring is kept open for as long as the doorbell may be rung.
    func attach(_ descriptor: Int32, of backEnd: BackEnd) throws(RingError) {
        switch backEnd {
        case .ioUring, .scripted: ring.store(descriptor, ordering: .releasing)
        case .epoll:
            let own = ringway_duplicate(descriptor)
            guard own >= 0 else { throw RingError(operation: "cannot keep a ring for its messages", errno: errno) }
            ownsRing.store(true, ordering: .relaxed)
            ring.store(own, ordering: .releasing)
        }
    }

    public var ringDescriptor: Int32 { ring.load(ordering: .acquiring) }

    /// For another shard that has just posted: whether the owner must be woken. Answers true once per wait.
    @inlinable public func claimWake() -> Bool {
        guard isWaiting.load(ordering: .sequentiallyConsistent) else { return false }
        return isWaiting.exchange(false, ordering: .sequentiallyConsistent)
    }

    /// For a thread without a ring.
    public func wake() { HostCalls.signal(event) }

    /// For the owner: from here on a thread that posts must wake it. It looks at its mailboxes once more before it waits.
    @inlinable func beginWaiting() { isWaiting.store(true, ordering: .sequentiallyConsistent) }
    @inlinable func endWaiting() { isWaiting.store(false, ordering: .relaxed) }
}
