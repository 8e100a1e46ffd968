internal import CRingway

/// An allocation failed.
public struct MemoryFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let byteCount: Int

    public init(byteCount: Int) { self.byteCount = byteCount }

    public var description: String { "there is no memory for \(byteCount) bytes" }
}

extension UnsafeMutableRawPointer {
    /// Allocates memory like `allocate`, but throws where `allocate` would end the process for lack of memory. Used for
    /// every block of 64 KiB or more whose allocation a guest can cause. The memory is freed by `deallocate`.
    public static func allocateOrThrow(byteCount: Int, alignment: Int) throws(MemoryFailure) -> Self {
        guard let memory = ringway_allocate(byteCount, alignment) else { throw MemoryFailure(byteCount: byteCount) }
        return memory
    }
}

extension UnsafeMutablePointer where Pointee: ~Copyable {
    /// Allocates memory on cache lines of its own (see `CacheLines`).
    public static func allocateApart(capacity: Int) throws(MemoryFailure) -> Self {
        let byteCount = CacheLines.whole(capacity * MemoryLayout<Pointee>.stride)
        return try UnsafeMutableRawPointer.allocateOrThrow(byteCount: byteCount, alignment: CacheLines.reach)
            .bindMemory(to: Pointee.self, capacity: capacity)
    }
}

/// Several allocations that either all succeed or are all undone.
///
/// Frees its blocks on deinit unless `keep` was called, so that an `init` that throws halfway leaks nothing.
public struct MemoryBlocks: ~Copyable {
    private static var most: Int { 8 }

    private var blocks = InlineArray<8, UnsafeMutableRawPointer?>(repeating: nil)
    private var count = 0

    public init() {}

    /// Allocates a block on cache lines of its own.
    public mutating func apart<Element: ~Copyable>(
        _ capacity: Int, of type: Element.Type = Element.self
    ) throws(MemoryFailure) -> UnsafeMutablePointer<Element> {
        let block = try UnsafeMutablePointer<Element>.allocateApart(capacity: capacity)
        add(UnsafeMutableRawPointer(block))
        return block
    }

    /// Allocates a block of whole pages.
    public mutating func pages(_ byteCount: Int) throws(MemoryFailure) -> UnsafeMutableRawPointer {
        let block = try UnsafeMutableRawPointer.allocateOrThrow(byteCount: byteCount, alignment: 4_096)
        add(block)
        return block
    }

    private mutating func add(_ block: UnsafeMutableRawPointer) {
        precondition(count < Self.most, "more blocks than belong together")
        blocks[count] = block
        count += 1
    }

    /// Passes the blocks to the caller when all have been allocated; the caller frees them from now on.
    public mutating func keep() { count = 0 }

    deinit {
        for index in 0..<count { blocks[index]?.deallocate() }
    }
}

extension MemoryFailure {
    /// Returns the result of `make`; traps if it throws. For programs that cannot continue without memory, such as
    /// tests and simulations.
    public static func trap<Value: ~Copyable, Failure: Error>(_ make: () throws(Failure) -> Value) -> Value {
        do throws(Failure) { return try make() } catch { preconditionFailure("\(error)") }
    }
}
