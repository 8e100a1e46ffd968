public import Synchronization

/// A bounded queue from one shard to another: one producer, one consumer, no lock.
///
/// What the producer writes and what the consumer writes are out of each other's reach (see `CacheLines`), and each side
/// keeps a private copy of the other's index, so that the other's line is read only when the copy says "full" or
/// "empty". Capacity is a power of two; indices run freely and wrap.
///
/// A value that names bare memory: an object's reference count would be one more line that both sides write.
@frozen
public struct Mailbox<Message: BitwiseCopyable & Sendable>: @unchecked Sendable {
    // Sendable: one side each is written by the producer and by the consumer only, and a slot passes from one to the other
    // through a releasing store that an acquiring load has seen.

    /// What one of the two writes.
    @frozen @usableFromInline struct Side: ~Copyable {
        /// How many messages were posted, or taken.
        @usableFromInline let index = Atomic<UInt32>(0)
        /// The other side's index, when it was last looked at.
        @usableFromInline var seen: UInt32 = 0

        @usableFromInline init() {}
    }

    @usableFromInline let producer: UnsafeMutablePointer<Side>
    @usableFromInline let consumer: UnsafeMutablePointer<Side>
    @usableFromInline let slots: UnsafeMutablePointer<Message>
    @usableFromInline let mask: UInt32

    public init(capacity: UInt32) throws(MemoryFailure) {
        precondition(capacity.nonzeroBitCount == 1, "a mailbox holds a power of two")
        var blocks = MemoryBlocks()
        producer = try blocks.apart(1, of: Side.self)
        consumer = try blocks.apart(1, of: Side.self)
        slots = try blocks.apart(Int(capacity), of: Message.self)
        blocks.keep()
        producer.initialize(to: Side())
        consumer.initialize(to: Side())
        mask = capacity - 1
    }

    /// Gives the memory back; neither side may use the mailbox any more.
    public func deallocate() {
        producer.deinitialize(count: 1)
        producer.deallocate()
        consumer.deinitialize(count: 1)
        consumer.deallocate()
        slots.deallocate()
    }

    /// Producer side. Answers `false` when full: the caller decides what happens to the message.
    @inlinable public func post(_ message: Message) -> Bool {
        let next = producer.pointee.index.load(ordering: .relaxed)
        if next &- producer.pointee.seen > mask {
            producer.pointee.seen = consumer.pointee.index.load(ordering: .acquiring)
            if next &- producer.pointee.seen > mask { return false }
        }
        (slots + Int(next & mask)).initialize(to: message)
        producer.pointee.index.store(next &+ 1, ordering: .sequentiallyConsistent)
        return true
    }

    /// Consumer side: the oldest message, or `nil`.
    @inlinable public func take() -> Message? {
        let next = consumer.pointee.index.load(ordering: .relaxed)
        if next == consumer.pointee.seen {
            consumer.pointee.seen = producer.pointee.index.load(ordering: .sequentiallyConsistent)
            if next == consumer.pointee.seen { return nil }
        }
        let message = slots[Int(next & mask)]
        consumer.pointee.index.store(next &+ 1, ordering: .releasing)
        return message
    }

    /// Consumer side: whether `take` would answer `nil`.
    @inlinable public var isEmpty: Bool {
        consumer.pointee.index.load(ordering: .relaxed)
            == producer.pointee.index.load(ordering: .sequentiallyConsistent)
    }
}
