public import Synchronization

/// A bounded queue from one shard to another: one producer, one consumer, no lock.
///
/// `head` and `tail` live on separate cache lines, and each side keeps a private copy of the other's index, so that the
/// shared line is read only when the copy says "full" or "empty". Capacity is a power of two; indices run freely and
/// wrap.
public final class Mailbox<Message: BitwiseCopyable & Sendable>: @unchecked Sendable {
    // Sendable: `tail` and `headSeen` are written by the producer only, `head` and `tailSeen` by the consumer only, and a
    // slot passes from one to the other through a releasing store that an acquiring load has seen. The run-time check of
    // exclusive access would cost several times the rest of `post` and `take`, and could only find what this rules out.

    @usableFromInline let slots: UnsafeMutablePointer<Message>
    @usableFromInline let mask: UInt32
    @usableFromInline let before: InlineArray<16, UInt64> = .init(repeating: 0)
    @usableFromInline let tail = Atomic<UInt32>(0)
    @exclusivity(unchecked) @usableFromInline var headSeen: UInt32 = 0
    @usableFromInline let apart: InlineArray<16, UInt64> = .init(repeating: 0)
    @usableFromInline let head = Atomic<UInt32>(0)
    @exclusivity(unchecked) @usableFromInline var tailSeen: UInt32 = 0
    @usableFromInline let after: InlineArray<16, UInt64> = .init(repeating: 0)

    public init(capacity: UInt32) {
        precondition(capacity.nonzeroBitCount == 1, "a mailbox holds a power of two")
        slots = .allocate(capacity: Int(capacity))
        mask = capacity - 1
    }

    deinit { slots.deallocate() }

    /// Producer side. Answers `false` when full: the caller decides what happens to the message.
    @inlinable public func post(_ message: Message) -> Bool {
        let next = tail.load(ordering: .relaxed)
        if next &- headSeen > mask {
            headSeen = head.load(ordering: .acquiring)
            if next &- headSeen > mask { return false }
        }
        (slots + Int(next & mask)).initialize(to: message)
        tail.store(next &+ 1, ordering: .sequentiallyConsistent)
        return true
    }

    /// Consumer side: the oldest message, or `nil`.
    @inlinable public func take() -> Message? {
        let next = head.load(ordering: .relaxed)
        if next == tailSeen {
            tailSeen = tail.load(ordering: .sequentiallyConsistent)
            if next == tailSeen { return nil }
        }
        let message = slots[Int(next & mask)]
        head.store(next &+ 1, ordering: .releasing)
        return message
    }

    /// Consumer side: whether `take` would answer `nil`.
    @inlinable public var isEmpty: Bool {
        head.load(ordering: .relaxed) == tail.load(ordering: .sequentiallyConsistent)
    }
}
