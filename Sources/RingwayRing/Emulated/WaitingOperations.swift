internal import CRingway
internal import RingwaySystem

/// An operation that would block, cannot start yet, or has ended without room for its completion. It has a copy of
/// its submission entry.
struct WaitingOperation {
    /// The list on which the operation is.
    enum Place: UInt8, BitwiseCopyable {
        /// The list of its descriptor: the operation waits for events.
        case descriptor
        /// `EmulatedRing.postponed`: the operation has not started, because there was no room for its completion.
        case postponed
        /// No list: the operation is being started.
        case underWay
        /// `EmulatedRing.ended`: the operation has ended, and its completion waits for room.
        case ended
    }

    var entry: io_uring_sqe
    var place = Place.descriptor
    /// Whether the operation is a connect in progress, whose result is still to come.
    var isConnecting = false
    /// The result of an operation that has ended.
    var result: Int32 = 0
    var previous: UInt32 = .max
    var next: UInt32 = .max
    /// The next slot in the same bucket of the hash table of tags; `.max` if there is none.
    var nextOfTag: UInt32 = .max

    init(_ entry: io_uring_sqe) { self.entry = entry }

    /// Whether the operation may be cancelled.
    var isPending: Bool { place == .descriptor || place == .postponed }
}

/// The first and the last slot of a list of operations, oldest first.
struct OperationList: BitwiseCopyable {
    var first: UInt32 = .max
    var last: UInt32 = .max

    var isEmpty: Bool { first == .max }
}

/// All waiting operations, by slot and by tag.
///
/// Address space is reserved for the maximum; pages that were never written use no memory. An operation keeps its
/// address until it is removed.
struct WaitingOperations: ~Copyable {
    /// The most operations that can wait at the same time.
    static var capacity: UInt32 { 1 << 21 }
    private static var bucketBits: UInt64 { 15 }

    private let operations: UnsafeMutablePointer<WaitingOperation>
    private let buckets: UnsafeMutablePointer<UInt32>
    private var free: UInt32 = .max
    private var fresh: UInt32 = 0

    init() throws(SystemError) {
        let operations = try RingMemory.allocate(Int(Self.capacity) * MemoryLayout<WaitingOperation>.stride)
        do throws(SystemError) {
            buckets = try RingMemory.allocate(4 << Int(Self.bucketBits)).bindMemory(
                to: UInt32.self, capacity: 1 << Int(Self.bucketBits))
        } catch {
            operations.deallocate()
            throw error
        }
        self.operations = operations.bindMemory(to: WaitingOperation.self, capacity: Int(Self.capacity))
        buckets.initialize(repeating: .max, count: 1 << Int(Self.bucketBits))
    }

    deinit {
        operations.deallocate()
        buckets.deallocate()
    }

    subscript(slot: UInt32) -> UnsafeMutablePointer<WaitingOperation> { operations + Int(slot) }

    /// Stores a copy of an entry. Returns its slot, or `nil` if there is no room.
    mutating func insert(_ entry: io_uring_sqe) -> UInt32? {
        let slot: UInt32
        if free != .max {
            slot = free
            free = self[slot].pointee.next
        } else {
            guard fresh < Self.capacity else { return nil }
            slot = fresh
            fresh += 1
        }
        self[slot].initialize(to: WaitingOperation(entry))
        let bucket = Self.bucket(of: entry.user_data)
        self[slot].pointee.nextOfTag = buckets[bucket]
        buckets[bucket] = slot
        return slot
    }

    /// Removes an operation, which must be on no list.
    mutating func remove(_ slot: UInt32) {
        let bucket = Self.bucket(of: self[slot].pointee.entry.user_data)
        let next = self[slot].pointee.nextOfTag
        if buckets[bucket] == slot {
            buckets[bucket] = next
        } else {
            var other = buckets[bucket]
            while self[other].pointee.nextOfTag != slot { other = self[other].pointee.nextOfTag }
            self[other].pointee.nextOfTag = next
        }
        self[slot].pointee.next = free
        free = slot
    }

    /// An operation with this tag that has not ended; the latest one if there are several.
    func find(tag: UInt64) -> UInt32? {
        var slot = buckets[Self.bucket(of: tag)]
        while slot != .max {
            let operation = self[slot]
            if operation.pointee.entry.user_data == tag, operation.pointee.isPending { return slot }
            slot = operation.pointee.nextOfTag
        }
        return nil
    }

    private static func bucket(of tag: UInt64) -> Int {
        // Fibonacci hashing: multiplied by 2^64 over the golden ratio, so that similar tags get different buckets.
        Int((tag &* 0x9E37_79B9_7F4A_7C15) >> (64 - bucketBits))
    }

    // MARK: Lists

    func append(_ slot: UInt32, to list: inout OperationList) {
        self[slot].pointee.previous = list.last
        self[slot].pointee.next = .max
        if list.isEmpty { list.first = slot } else { self[list.last].pointee.next = slot }
        list.last = slot
    }

    func remove(_ slot: UInt32, from list: inout OperationList) {
        let (previous, next) = (self[slot].pointee.previous, self[slot].pointee.next)
        if previous == .max { list.first = next } else { self[previous].pointee.next = next }
        if next == .max { list.last = previous } else { self[next].pointee.previous = previous }
    }
}
