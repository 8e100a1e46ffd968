internal import CRingway
public import RingwaySystem

/// A ring of buffers that the kernel picks from when data arrives, so that ten thousand idle sockets pin none.
///
/// The ring knows buffers by 16-bit identifiers of its own; what they stand for is the owner's business.
public struct BufferRing: ~Copyable {
    private let memory: UnsafeMutablePointer<io_uring_buf_ring>
    private let mask: UInt32
    public let group: UInt16
    public let capacity: Int
    /// Buffers the kernel may take now, as far as completions have told.
    public private(set) var available = 0
    private var pending: UInt32 = 0

    /// The memory of a ring that no kernel knows yet: `register` comes before anything is added.
    ///
    /// - Parameters:
    ///   - capacity: a power of two, at most 32,768.
    ///   - group: the number by which operations name this ring.
    public init(capacity: Int, group: UInt16) throws(SystemError) {
        precondition(capacity.nonzeroBitCount == 1 && capacity <= 32_768)
        let raw = try RingMemory.allocate(capacity * MemoryLayout<io_uring_buf>.size)
        raw.initializeMemory(as: UInt8.self, repeating: 0, count: capacity * MemoryLayout<io_uring_buf>.size)
        memory = raw.assumingMemoryBound(to: io_uring_buf_ring.self)
        mask = UInt32(capacity - 1)
        self.capacity = capacity
        self.group = group
    }

    /// Makes the ring known; by the thread that drives `ring`, once that has enabled it.
    public func register(with ring: inout Ring) throws(SystemError) {
        let result = ring.register(UnsafeMutableRawPointer(memory), entries: UInt32(capacity), group: group)
        guard result == 0 else { throw SystemError("cannot register a buffer ring", errno: -result) }
    }

    /// Has the kernel forget the ring; no operation may name it any more.
    public func unregister(from ring: inout Ring) { ring.unregister(group: group) }

    deinit { UnsafeMutableRawPointer(memory).deallocate() }

    public var isFull: Bool { available == capacity }

    /// Adds a buffer; the kernel sees it after `publish`.
    public mutating func add(_ address: UnsafeMutableRawPointer, length: UInt32, identifier: UInt16) {
        precondition(available < capacity, "a buffer ring was given more buffers than it holds")
        ringway_buffer_ring_add(memory, address, length, identifier, mask, pending)
        pending &+= 1
        available &+= 1
    }

    /// Lets the kernel see the buffers added.
    public mutating func publish() {
        guard pending > 0 else { return }
        ringway_buffer_ring_advance(memory, pending)
        pending = 0
    }

    /// A completion has told that the kernel took a buffer.
    public mutating func taken() { available &-= 1 }
}
