internal import CRingway

/// The rings of provided buffers, by group: the memory that the kernel would read, and the position of the next buffer
/// in it.
struct ProvidedRings: ~Copyable {
    /// The next buffer of a ring.
    struct Buffer {
        var address: UnsafeMutableRawPointer
        var length: Int
        var identifier: UInt16
    }

    private struct Ring: BitwiseCopyable {
        var memory: UnsafeMutableRawPointer?
        var mask: UInt16 = 0
        /// The position of the next buffer to take. The tail is in the ring's memory, where the ring's owner writes it.
        var head: UInt16 = 0
    }

    /// The number of possible groups.
    private static var capacity: Int { 4_096 }
    /// The offset of the tail in a ring (struct io_uring_buf_ring).
    private static var tailOffset: Int { 14 }

    private let rings: UnsafeMutablePointer<Ring>

    init() {
        rings = .allocate(capacity: Self.capacity)
        rings.initialize(repeating: Ring(), count: Self.capacity)
    }

    deinit { rings.deallocate() }

    /// Registers a ring of buffers; returns zero, or a negated `errno`.
    mutating func register(_ memory: UnsafeMutableRawPointer, entries: UInt32, group: UInt16) -> Int32 {
        guard group < Self.capacity, entries.nonzeroBitCount == 1, entries <= 32_768 else { return -EINVAL }
        guard rings[Int(group)].memory == nil else { return -EEXIST }
        rings[Int(group)] = Ring(memory: memory, mask: UInt16(entries - 1))
        return 0
    }

    mutating func unregister(group: UInt16) {
        guard group < Self.capacity else { return }
        rings[Int(group)] = Ring()
    }

    /// The next buffer; `nil` if the ring is empty or does not exist.
    func next(of group: UInt16) -> Buffer? {
        guard group < Self.capacity else { return nil }
        let ring = rings[Int(group)]
        guard let memory = ring.memory,
            memory.load(fromByteOffset: Self.tailOffset, as: UInt16.self) != ring.head
        else { return nil }
        let slot = Int(ring.head & ring.mask)
        let buffer = memory.load(fromByteOffset: slot * MemoryLayout<io_uring_buf>.stride, as: io_uring_buf.self)
        guard let address = UnsafeMutableRawPointer(bitPattern: UInt(buffer.addr)) else { return nil }
        return Buffer(address: address, length: Int(buffer.len), identifier: buffer.bid)
    }

    /// Takes the next buffer.
    mutating func take(of group: UInt16) { rings[Int(group)].head &+= 1 }
}
