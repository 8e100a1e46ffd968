import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

/// Buffers for the parts of a connection that hold payload, without a stack.
final class BufferBench {
    let space: BufferSpace
    let pool: UnsafeMutablePointer<BufferPool>
    private let total: Int

    init(large: Int = 16, small: Int = 16) {
        space = MemoryFailure.trap { try BufferSpace(shards: 1, largeCount: large, smallCount: small) }
        pool = .allocate(capacity: 1)
        pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) })
        total = large + small
    }

    deinit {
        pool.deinitialize(count: 1)
        pool.deallocate()
        space.deallocate()
    }

    /// Buffers that are leased now.
    var leased: Int { pool.pointee.leased }

    /// A buffer with payload that starts at a sequence number.
    func lease(_ payload: [UInt8], at sequence: SequenceNumber = SequenceNumber(0), offset: Int = 128) -> Lease {
        let lease = pool.pointee.lease(.large)
        let state = space.state(of: lease)
        state.pointee.offset = UInt32(offset)
        state.pointee.length = UInt32(payload.count)
        state.pointee.sequence = sequence.rawValue
        space.payload(of: lease).copyMemory(from: payload, byteCount: payload.count)
        return lease
    }

    /// The payload of a chain of leases.
    func payload(from first: Lease) -> [UInt8] {
        var bytes: [UInt8] = []
        var lease = first
        while !lease.isNone {
            let state = space.state(of: lease)
            bytes += UnsafeRawBufferPointer(start: space.payload(of: lease), count: Int(state.pointee.length))
            lease = state.pointee.next
        }
        return bytes
    }

    /// `count` bytes, each different from its neighbours.
    static func pattern(_ count: Int, from first: Int = 0) -> [UInt8] {
        (first..<first + count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ $0 >> 8) }
    }
}
