internal import Glibc
internal import RingwayWire

/// Memory for captured frames on their way to the file. It has two halves: shards fill one while the writer empties
/// the other. A frame that does not fit is dropped.
///
/// Not thread-safe: the owner holds a lock around every call.
struct RecordBuffer: ~Copyable {
    /// Bytes of each half, enough for some 7 ms at 10 Gbit/s.
    static var halfSize: Int { 8 << 20 }

    /// The result of appending a frame.
    enum Result: Equatable {
        case kept
        /// The filter does not select the frame.
        case unwanted
        /// The frame is dropped: the half has no room, because the writer is too slow, or the frame exceeds
        /// `CaptureWriter.snapshotLength`.
        case full
    }

    private let base: UnsafeMutableRawPointer
    private var filling = 0
    private var filled = 0

    /// Maps the memory; `nil` if that fails.
    init?() {
        let memory = mmap(
            nil, 2 * Self.halfSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        base = memory
    }

    deinit { munmap(base, 2 * Self.halfSize) }

    var isEmpty: Bool { filled == 0 }

    /// Appends a frame to the half being filled.
    ///
    /// - Parameters:
    ///   - head, payload: the two pieces of the frame; the second may be empty.
    mutating func append(
        _ direction: CaptureWriter.Direction, _ head: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer,
        nanosecondsSince1970 time: UInt64, snapLength: Int, filter: borrowing CaptureFilter
    ) -> Result {
        let length = head.count &+ payload.count
        let kept = min(length, snapLength)
        let copied = min(length, max(kept, filter.inspectedLength))
        let room = CaptureWriter.packetHeaderLength + copied + CaptureWriter.packetTrailerLimit
        guard length <= CaptureWriter.snapshotLength, room <= Self.halfSize - filled else { return .full }
        let record = base + filling * Self.halfSize + filled
        let frame = record + CaptureWriter.packetHeaderLength
        let first = min(copied, head.count)
        if let start = head.baseAddress { frame.copyMemory(from: start, byteCount: first) }
        if copied > first, let start = payload.baseAddress {
            (frame + first).copyMemory(from: start, byteCount: copied - first)
        }
        guard filter.passes(UnsafeRawBufferPointer(start: frame, count: copied), length: length) else {
            return .unwanted
        }
        CaptureWriter.writePacketHeader(
            to: record, nanosecondsSince1970: time, capturedLength: kept, originalLength: length)
        let trailer = CaptureWriter.writePacketTrailer(to: frame + kept, capturedLength: kept, direction: direction)
        filled += CaptureWriter.packetHeaderLength + kept + trailer
        return .kept
    }

    /// Swaps the halves: from now on, frames go to the other half, whose records the caller must have written.
    /// Returns the address and the byte count of the records in the half filled until now. The address is an integer,
    /// because a pointer must not leave the closure that runs under the lock. It is valid until the next `swap`.
    mutating func swap() -> (address: UInt, count: Int) {
        defer {
            filling = 1 - filling
            filled = 0
        }
        return (UInt(bitPattern: base + filling * Self.halfSize), filled)
    }
}

/// A piece of a frame, as an address and a length: the closure that runs under the lock may not capture pointers,
/// because they are not `Sendable`. The closure copies the bytes.
struct FramePiece: Sendable {
    private let address: UInt
    private let count: Int

    init(_ bytes: UnsafeRawBufferPointer) {
        address = UInt(bitPattern: bytes.baseAddress)
        count = bytes.count
    }

    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: count)
    }
}
