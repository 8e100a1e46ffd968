internal import RingwayStorage

/// Messages between the guests of one shard: a bounded first-in, first-out queue.
struct LocalMail: ~Copyable {
    private let messages: UnsafeMutablePointer<ShardMessage>
    private var head: UInt32 = 0
    private var tail: UInt32 = 0
    private let capacity: UInt32

    /// - Parameter capacity: a power of two.
    init(capacity: UInt32) throws(MemoryFailure) {
        precondition(capacity.nonzeroBitCount == 1)
        messages = try .allocateApart(capacity: Int(capacity))
        self.capacity = capacity
    }

    deinit { messages.deallocate() }

    @inline(__always)
    var isEmpty: Bool { head == tail }

    /// Appends a message; false if the queue is full.
    mutating func post(_ message: ShardMessage) -> Bool {
        guard tail &- head < capacity else { return false }
        (messages + Int(tail & (capacity - 1))).initialize(to: message)
        tail &+= 1
        return true
    }

    mutating func take() -> ShardMessage? {
        guard head != tail else { return nil }
        defer { head &+= 1 }
        return messages[Int(head & (capacity - 1))]
    }
}
