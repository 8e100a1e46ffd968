internal import CRingway

/// There is no memory for a block; what was to be made of it is not.
public struct MemoryFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public let byteCount: Int

    public init(byteCount: Int) { self.byteCount = byteCount }

    public var description: String { "there is no memory for \(byteCount) bytes" }
}

extension UnsafeMutableRawPointer {
    /// As `allocate`, which ends the process where there is no memory; this throws. What a guest can cause of 64 KiB or
    /// more comes from here. It is given back by `deallocate`.
    public static func allocateOrThrow(byteCount: Int, alignment: Int) throws(MemoryFailure) -> Self {
        guard let memory = ringway_allocate(byteCount, alignment) else { throw MemoryFailure(byteCount: byteCount) }
        return memory
    }
}

extension UnsafeMutablePointer where Pointee: ~Copyable {
    /// Memory out of reach of what other threads write (see `CacheLines`); none where there is none.
    public static func allocateApart(capacity: Int) throws(MemoryFailure) -> Self {
        let byteCount = CacheLines.whole(capacity * MemoryLayout<Pointee>.stride)
        return try UnsafeMutableRawPointer.allocateOrThrow(byteCount: byteCount, alignment: CacheLines.reach)
            .bindMemory(to: Pointee.self, capacity: capacity)
    }
}

/// Blocks that belong together: all of them are had, or none.
///
/// It gives back what it has allocated when it goes, unless it was told to `keep` that: so an `init` that throws in the
/// middle leaves nothing behind.
public struct MemoryBlocks: ~Copyable {
    private static var most: Int { 8 }

    private var blocks = InlineArray<8, UnsafeMutableRawPointer?>(repeating: nil)
    private var count = 0

    public init() {}

    /// One block more, out of reach of what other threads write.
    public mutating func apart<Element: ~Copyable>(
        _ capacity: Int, of type: Element.Type = Element.self
    ) throws(MemoryFailure) -> UnsafeMutablePointer<Element> {
        let block = try UnsafeMutablePointer<Element>.allocateApart(capacity: capacity)
        add(UnsafeMutableRawPointer(block))
        return block
    }

    /// One block more, of whole pages.
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

    /// All blocks are had, and somebody else gives them back.
    public mutating func keep() { count = 0 }

    deinit {
        for index in 0..<count { blocks[index]?.deallocate() }
    }
}

extension MemoryFailure {
    /// For programs that have nothing to do without memory, as tests and simulations have not: a failure ends them.
    public static func trap<Value: ~Copyable, Failure: Error>(_ make: () throws(Failure) -> Value) -> Value {
        do throws(Failure) { return try make() } catch { preconditionFailure("\(error)") }
    }
}
