internal import CRingway
internal import RingwaySystem

/// A descriptor that operations have waited for.
struct WatchedDescriptor: BitwiseCopyable {
    /// The operations that wait for the descriptor, oldest first, and how many of them are inputs, outputs and polls.
    var operations = OperationList()
    var inputs: UInt32 = 0
    var outputs: UInt32 = 0
    var polls: UInt32 = 0
    /// The events armed in epoll. May be out of date if the number has been reused for another file.
    var armed: UInt32 = 0
    /// Events that epoll has reported, for which waiting operations are still to be attempted.
    var ready: UInt32 = 0
    /// The file is known to be non-blocking.
    var isNonBlocking = false
    /// The last receive returned less than requested, so another attempt now would block.
    var isDrained = false
    /// The descriptor is on the list of ready descriptors.
    var isReady = false
    var nextReady: Int32 = -1

    init() {}
}

/// The state of each descriptor, indexed by its number. Numbers are small, because the kernel assigns the lowest free
/// one.
struct WatchedDescriptors: ~Copyable {
    private let table: UnsafeMutablePointer<WatchedDescriptor>
    /// The number of entries for which address space is reserved. It is the process's hard limit of descriptors, at
    /// least 2^16 and at most 2^22. Memory is used only up to the highest number in use.
    private let most: Int
    private var capacity = 0
    /// The descriptor that has been ready longest, which is the first on the list of ready descriptors; -1 if none is
    /// ready.
    private(set) var firstReady: Int32 = -1
    private var lastReady: Int32 = -1
    private(set) var readyCount = 0

    init() throws(SystemError) {
        var (soft, hard): (UInt64, UInt64) = (0, 0)
        let isKnown = ringway_file_limit(&soft, &hard) == 0
        most = isKnown ? max(1 << 16, Int(clamping: min(hard, 1 << 22))) : 1 << 20
        table = try RingMemory.allocate(most * MemoryLayout<WatchedDescriptor>.stride)
            .bindMemory(to: WatchedDescriptor.self, capacity: most)
    }

    deinit { table.deallocate() }

    subscript(descriptor: Int32) -> UnsafeMutablePointer<WatchedDescriptor>? {
        descriptor >= 0 && Int(descriptor) < capacity ? table + Int(descriptor) : nil
    }

    /// The entry of an open descriptor, created if necessary. The process's limit of descriptors bounds the number,
    /// so the table has room for it.
    mutating func reach(_ descriptor: Int32) -> UnsafeMutablePointer<WatchedDescriptor> {
        if Int(descriptor) >= capacity { grow(beyond: Int(descriptor)) }
        return table + Int(descriptor)
    }

    @inline(never)
    private mutating func grow(beyond descriptor: Int) {
        precondition(descriptor < most, "a descriptor beyond the limit of the process")
        let larger = min(most, (descriptor | 255) + 1)
        (table + capacity).initialize(repeating: WatchedDescriptor(), count: larger - capacity)
        capacity = larger
    }

    // MARK: Readiness

    /// Records events, and appends the descriptor to the ready list.
    mutating func markReady(_ descriptor: Int32, _ events: UInt32) {
        guard let watched = self[descriptor] else { return }
        watched.pointee.ready |= events
        guard !watched.pointee.isReady else { return }
        watched.pointee.isReady = true
        watched.pointee.nextReady = -1
        if lastReady < 0 { firstReady = descriptor } else { table[Int(lastReady)].nextReady = descriptor }
        lastReady = descriptor
        readyCount += 1
    }

    /// Removes the first ready descriptor, and returns it with its events.
    mutating func takeReady() -> (descriptor: Int32, events: UInt32)? {
        guard firstReady >= 0 else { return nil }
        let descriptor = firstReady
        let watched = table + Int(descriptor)
        firstReady = watched.pointee.nextReady
        if firstReady < 0 { lastReady = -1 }
        readyCount -= 1
        watched.pointee.isReady = false
        defer { watched.pointee.ready = 0 }
        return (descriptor, watched.pointee.ready)
    }
}
