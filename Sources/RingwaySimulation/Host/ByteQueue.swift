/// Bytes in flight from one end of a stream to the other.
struct ByteQueue {
    private var bytes: [UInt8] = []
    private var head = 0

    var count: Int { bytes.count - head }
    var isEmpty: Bool { head == bytes.count }

    mutating func append(_ slice: UnsafeRawBufferPointer) { bytes.append(contentsOf: slice) }

    mutating func append(_ count: Int, _ fill: (UnsafeMutableRawPointer) -> Void) {
        let start = bytes.count
        bytes.append(contentsOf: repeatElement(0, count: count))
        bytes.withUnsafeMutableBytes { buffer in
            if count > 0, let base = buffer.baseAddress { fill(base + start) }
        }
    }

    /// Copies the first bytes, as many as fit, without removing them.
    func peek(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let count = min(target.count, count)
        bytes.withUnsafeBytes { buffer in
            guard count > 0, let base = buffer.baseAddress else { return }
            target.baseAddress?.copyMemory(from: base + head, byteCount: count)
        }
        return count
    }

    mutating func take(_ target: UnsafeMutableRawBufferPointer) -> Int {
        let count = peek(target)
        drop(count)
        return count
    }

    /// Removes and returns the first `count` bytes; there must be that many.
    mutating func take(_ count: Int) -> [UInt8] {
        let taken = Array(bytes[head..<head + count])
        drop(count)
        return taken
    }

    private mutating func drop(_ count: Int) {
        head += count
        if head == bytes.count {
            bytes.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 65_536, head > bytes.count / 2 {
            bytes.removeFirst(head)
            head = 0
        }
    }

    mutating func removeAll() {
        bytes = []
        head = 0
    }
}
