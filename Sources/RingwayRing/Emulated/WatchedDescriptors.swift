internal import CRingway
internal import RingwaySystem

/// A descriptor that operations have waited for.
struct WatchedDescriptor: BitwiseCopyable {
    /// The operations that wait, the oldest first, and how many of them take turns at reading, at writing, or only look.
    var operations = OperationList()
    var inputs: UInt32 = 0
    var outputs: UInt32 = 0
    var polls: UInt32 = 0
    /// Events that epoll was told to tell, as far as is known: the file behind the number may be another one by now.
    var armed: UInt32 = 0
    /// Events that epoll has told and that have not been acted on.
    var ready: UInt32 = 0
    /// The file is known to be non-blocking.
    var isNonBlocking = false
    /// The last receive got less than it had asked for: another attempt at once would be in vain.
    var isDrained = false
    /// It is on the list of descriptors that are ready.
    var isReady = false
    var nextReady: Int32 = -1

    init() {}
}

/// What is known of each descriptor, by its number: numbers are small, because the kernel gives the smallest that is free.
struct WatchedDescriptors: ~Copyable {
    private let table: UnsafeMutablePointer<WatchedDescriptor>
    /// There is room for every number that the process may have from the start; pages are touched as far as there are such
    /// descriptors.
    private let most: Int
    private var capacity = 0
    /// The descriptors that are ready, the one that has waited for longest first.
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

    /// The place of a descriptor that is open, which bounds the table by the limit of open files.
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

    /// Notes events, and queues the descriptor behind those that are ready already.
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

    /// Takes the descriptor that has been ready for longest, and its events.
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
