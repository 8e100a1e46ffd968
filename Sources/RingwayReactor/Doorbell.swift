internal import CRingway
internal import Glibc
internal import RingwayRing
public import RingwaySystem
public import Synchronization

/// Wakes the *owner* of a ring, a shard's thread, while it waits for completions. Another shard sends a message to
/// the ring (IORING_OP_MSG_RING); a thread without a ring writes to an eventfd. Shards do not wake an owner that is
/// running, because the owner checks its mailboxes before it waits.
public final class Doorbell: Sendable {
    private let before: InlineArray<16, UInt64> = .init(repeating: 0)
    /// True while the owner checks its mailboxes for the last time before it waits, and then while it waits, until a
    /// shard has claimed the wake-up (`claimWake`). Written every turn, so it has a cache line of its own (see
    /// `CacheLines`).
    @usableFromInline let isWaiting = Atomic<Bool>(false)
    private let after: InlineArray<16, UInt64> = .init(repeating: 0)
    /// The descriptor of the owner's ring; written before any shard runs.
    private let ring = Atomic<Int32>(-1)
    /// Whether `ring` is a duplicate that the doorbell made, and must close.
    private let ownsRing = Atomic<Bool>(false)
    /// An eventfd that the owner's ring reads.
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
    /// The ring may be closed while another thread still sends to its descriptor, whose number may be reused for any
    /// file. The kernel refuses to send a message to a file that is not a ring, but the emulated ring would write into
    /// it. So the doorbell duplicates the descriptor of an emulated ring, and closes the duplicate itself.
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

    /// Whether the calling shard must wake the owner, to which it has posted mail. True for one caller per wait.
    @inlinable public func claimWake() -> Bool {
        guard isWaiting.load(ordering: .sequentiallyConsistent) else { return false }
        return isWaiting.exchange(false, ordering: .sequentiallyConsistent)
    }

    /// Wakes the owner from a thread without a ring.
    public func wake() { HostCalls.signal(event) }

    /// Called by the owner before it checks its mailboxes for the last time and waits: from now on a thread that posts
    /// mail must wake it.
    @inlinable func beginWaiting() { isWaiting.store(true, ordering: .sequentiallyConsistent) }
    @inlinable func endWaiting() { isWaiting.store(false, ordering: .relaxed) }
}
