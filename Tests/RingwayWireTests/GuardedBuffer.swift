import Glibc

/// Memory that ends where an unmapped page begins: to read one byte too many is to crash.
final class GuardedBuffer {
    private let pages: UnsafeMutableRawPointer
    private let capacity: Int
    private let pageSize = 4096

    init(capacity: Int) {
        self.capacity = (capacity + pageSize - 1) / pageSize * pageSize
        pages = mmap(nil, self.capacity + pageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(pages != MAP_FAILED)
        precondition(mprotect(pages + self.capacity, pageSize, PROT_NONE) == 0)
    }

    deinit {
        munmap(pages, capacity + pageSize)
    }

    /// The bytes, the last of which is the last that may be read.
    func place(_ bytes: [UInt8]) -> UnsafeRawBufferPointer {
        let start = pages + (capacity - bytes.count)
        bytes.withUnsafeBytes { source in
            if let base = source.baseAddress { start.copyMemory(from: base, byteCount: source.count) }
        }
        return UnsafeRawBufferPointer(start: start, count: bytes.count)
    }
}
