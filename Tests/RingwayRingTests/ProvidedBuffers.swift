import RingwayRing

/// A buffer ring with memory of its own, one identifier per slice.
final class ProvidedBuffers {
    let size: Int
    private let memory: UnsafeMutableRawPointer
    private var ring: BufferRing

    init(_ bench: RingBench, capacity: Int, size: Int, group: UInt16 = 0) throws {
        self.size = size
        memory = .allocate(byteCount: capacity * size, alignment: 4_096)
        ring = try BufferRing(capacity: capacity, group: group)
        try ring.register(with: &bench.ring)
    }

    deinit { memory.deallocate() }

    var group: UInt16 { ring.group }
    var available: Int { ring.available }
    var isFull: Bool { ring.isFull }

    func add(_ identifiers: some Sequence<UInt16>) {
        for identifier in identifiers {
            ring.add(memory + Int(identifier) * size, length: UInt32(size), identifier: identifier)
        }
        ring.publish()
    }

    /// The content of the completion's buffer.
    func take(_ completion: Completion) -> [UInt8] {
        ring.taken()
        return Array(slice(completion))
    }

    func slice(_ completion: Completion) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: memory + Int(completion.bufferIdentifier) * size, count: max(0, Int(completion.result)))
    }
}
