public import Synchronization

/// A bounded lock-free queue from one shard to another, with one producer and one consumer.
///
/// Producer and consumer write different cache lines (see `CacheLines`), and each keeps a private copy of the other's
/// index, so that the other's line is read only if the copy says "full" or "empty". Capacity is a power of two; indices
/// wrap.
///
/// A mailbox is a struct that points to raw memory. If it were an object, both sides would write its reference count,
/// and the cache line of the count would move between their processors.
@frozen
public struct Mailbox<Message: BitwiseCopyable & Sendable>: @unchecked Sendable {
    // Sendable: only the producer writes `producer`, and only the consumer writes `consumer`. A slot passes between
    // them by a store with at least release ordering and a load with at least acquire ordering.

    /// The state that one side writes.
    @frozen @usableFromInline struct Side: ~Copyable {
        /// The number of messages that the producer has posted, or that the consumer has taken.
        @usableFromInline let index = Atomic<UInt32>(0)
        /// The other side's index, when last read.
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

    /// Frees the memory; neither side may use the mailbox any more.
    public func deallocate() {
        producer.deinitialize(count: 1)
        producer.deallocate()
        consumer.deinitialize(count: 1)
        consumer.deallocate()
        slots.deallocate()
    }

    /// Producer side: appends a message; returns `false` if the queue is full.
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

    /// Consumer side: removes and returns the oldest message; `nil` if there is none.
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

    /// Consumer side: whether `take` would return `nil`.
    @inlinable public var isEmpty: Bool {
        consumer.pointee.index.load(ordering: .relaxed)
            == producer.pointee.index.load(ordering: .sequentiallyConsistent)
    }
}
