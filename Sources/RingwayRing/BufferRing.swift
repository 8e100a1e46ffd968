internal import CRingway
public import RingwaySystem

/// A ring of provided buffers (io_uring_register_buf_ring(3)). The kernel takes a buffer only when data arrives, so
/// that ten thousand idle sockets occupy none.
///
/// The owner gives each buffer a 16-bit identifier, which the completion returns.
public struct BufferRing: ~Copyable {
    private let memory: UnsafeMutablePointer<io_uring_buf_ring>
    private let mask: UInt32
    public let group: UInt16
    public let capacity: Int
    /// The number of buffers that were added and that no completion has reported as taken.
    public private(set) var available = 0
    private var pending: UInt32 = 0

    /// Allocates the ring. Call `register` before adding buffers.
    ///
    /// - Parameters:
    ///   - capacity: a power of two, at most 32,768.
    ///   - group: the number by which operations refer to this ring.
    public init(capacity: Int, group: UInt16) throws(SystemError) {
        precondition(capacity.nonzeroBitCount == 1 && capacity <= 32_768)
        let raw = try RingMemory.allocate(capacity * MemoryLayout<io_uring_buf>.size)
        raw.initializeMemory(as: UInt8.self, repeating: 0, count: capacity * MemoryLayout<io_uring_buf>.size)
        memory = raw.assumingMemoryBound(to: io_uring_buf_ring.self)
        mask = UInt32(capacity - 1)
        self.capacity = capacity
        self.group = group
    }

    /// Registers the buffer ring. Called by the thread that drives `ring`, after `ring` is enabled.
    public func register(with ring: inout Ring) throws(SystemError) {
        let result = ring.register(UnsafeMutableRawPointer(memory), entries: UInt32(capacity), group: group)
        guard result == 0 else { throw SystemError("cannot register a buffer ring", errno: -result) }
    }

    /// Unregisters the buffer ring. No operation may refer to it any more.
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

    /// Makes the added buffers visible to the kernel.
    public mutating func publish() {
        guard pending > 0 else { return }
        ringway_buffer_ring_advance(memory, pending)
        pending = 0
    }

    /// Records that a completion has reported a buffer as taken.
    public mutating func taken() { available &-= 1 }
}
