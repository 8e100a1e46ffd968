internal import CRingway
internal import Glibc
internal import RingwayRing
public import RingwaySystem
public import Synchronization

/// Wakes a thread that waits in its ring: other shards send a message to the ring, other threads write to an eventfd. A
/// running thread is not woken.
public final class Doorbell: Sendable {
    private let before: InlineArray<16, UInt64> = .init(repeating: 0)
    /// True while the owner waits, or is about to after checking its mailboxes. Written every turn, so it has a cache
    /// line of its own (see `CacheLines`).
    @usableFromInline let isWaiting = Atomic<Bool>(false)
    private let after: InlineArray<16, UInt64> = .init(repeating: 0)
    /// The owner's ring; written before any shard runs.
    private let ring = Atomic<Int32>(-1)
    /// Whether `ring` is a descriptor owned by the doorbell.
    private let ownsRing = Atomic<Bool>(false)
    /// An eventfd polled by the owner's ring.
    public let event: Int32

    public init() throws(SystemError) {
        let event = HostCalls.event()
        guard event >= 0 else { throw SystemError("cannot make a doorbell") }
        self.event = event
    }

    deinit {
        HostCalls.close(event)
        if ownsRing.load(ordering: .relaxed) { close(ring.load(ordering: .relaxed)) }
    }

    /// Sets the ring that receives messages. Called once.
    ///
    /// The kernel refuses a message to a descriptor that is not a ring. The emulated ring would write it to any file
    /// that has reused the number, so the doorbell keeps its own descriptor of an emulated ring.
    func attach(_ descriptor: Int32, of backEnd: BackEnd) throws(SystemError) {
        switch backEnd {
        case .ioUring, .scripted: ring.store(descriptor, ordering: .releasing)
        case .epoll:
            let own = ringway_duplicate(descriptor)
            guard own >= 0 else { throw SystemError("cannot keep a ring for its messages") }
            ownsRing.store(true, ordering: .relaxed)
            ring.store(own, ordering: .releasing)
        }
    }

    public var ringDescriptor: Int32 { ring.load(ordering: .acquiring) }

    /// For another shard after a post: whether it must wake the owner. Returns true once per wait.
    @inlinable public func claimWake() -> Bool {
        guard isWaiting.load(ordering: .sequentiallyConsistent) else { return false }
        return isWaiting.exchange(false, ordering: .sequentiallyConsistent)
    }

    /// Wakes the owner from a thread without a ring.
    public func wake() { HostCalls.signal(event) }

    /// For the owner: from now on, a thread that posts must wake it. It checks its mailboxes once more before it waits.
    @inlinable func beginWaiting() { isWaiting.store(true, ordering: .sequentiallyConsistent) }
    @inlinable func endWaiting() { isWaiting.store(false, ordering: .relaxed) }
}
