/// The number of a slot and the generation of its occupant. An event for an earlier occupant of the slot is recognised
/// by its older generation.
@frozen
public struct Handle: Hashable, Sendable, BitwiseCopyable {
    public let slot: UInt32
    public let generation: UInt16

    @inlinable public init(slot: UInt32, generation: UInt16) {
        self.slot = slot
        self.generation = generation
    }
}

/// A fixed-capacity table with stable addresses, allocated once. A page is not touched before a slot in it is used.
///
/// Insertion never moves an element and never allocates. Elements are trivial (`BitwiseCopyable`), so removal does
/// not access them: it increments the generation and puts the slot on the free list.
public struct Slab<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    /// The generation of each slot, odd while the slot is occupied. A wrap keeps that so, because 2¹⁶ is even.
    @usableFromInline let generations: UnsafeMutablePointer<UInt16>
    @usableFromInline let free: UnsafeMutablePointer<UInt32>
    @usableFromInline var freeCount = 0
    @usableFromInline var fresh: UInt32 = 0
    public let capacity: Int
    @usableFromInline var occupied = 0

    public init(capacity: Int) throws(MemoryFailure) {
        precondition(capacity > 0 && capacity < Int(UInt32.max))
        var blocks = MemoryBlocks()
        let elements = try blocks.apart(capacity, of: Element.self)
        let generations = try blocks.apart(capacity, of: UInt16.self)
        let free = try blocks.apart(capacity, of: UInt32.self)
        blocks.keep()
        self.capacity = capacity
        self.elements = elements
        self.generations = generations
        self.free = free
    }

    deinit {
        elements.deallocate()
        generations.deallocate()
        free.deallocate()
    }

    /// Stores `element` in a free slot, or returns `nil` if the table is full.
    @inlinable public mutating func insert(_ element: Element) -> Handle? {
        let slot: UInt32
        if freeCount > 0 {
            freeCount &-= 1
            slot = free[freeCount]
            generations[Int(slot)] &+= 1
        } else {
            guard Int(fresh) < capacity else { return nil }
            slot = fresh
            fresh &+= 1
            (generations + Int(slot)).initialize(to: 1)
        }
        (elements + Int(slot)).initialize(to: element)
        occupied &+= 1
        return Handle(slot: slot, generation: generations[Int(slot)])
    }

    /// The number of occupied slots.
    @inlinable public var count: Int { occupied }

    /// The element's address while the handle is valid, otherwise `nil`.
    @inlinable public func pointer(to handle: Handle) -> UnsafeMutablePointer<Element>? {
        // An even generation is never valid: free slots have even generations, and a handle that refers to nothing
        // has zero.
        guard handle.generation & 1 == 1, handle.slot < fresh, generations[Int(handle.slot)] == handle.generation
        else { return nil }
        return elements + Int(handle.slot)
    }

    /// The element in an occupied slot, otherwise `nil`.
    @inlinable public func pointer(inSlot slot: UInt32) -> UnsafeMutablePointer<Element>? {
        guard slot < fresh, generations[Int(slot)] & 1 == 1 else { return nil }
        return elements + Int(slot)
    }

    /// The handle of an occupied slot.
    @inlinable public func handle(ofSlot slot: UInt32) -> Handle {
        Handle(slot: slot, generation: generations[Int(slot)])
    }

    /// The slot of an element of this table.
    @inlinable public func slot(of element: UnsafeMutablePointer<Element>) -> UInt32 {
        UInt32(truncatingIfNeeded: element - elements)
    }

    /// Frees an occupied slot; its handles become stale.
    @inlinable public mutating func remove(slot: UInt32) {
        precondition(generations[Int(slot)] & 1 == 1, "a slot was freed twice")
        generations[Int(slot)] &+= 1
        free[freeCount] = slot
        freeCount &+= 1
        occupied &-= 1
    }

    /// The address of slot 0, for a `SlotList` that links the elements.
    public var base: UnsafeMutablePointer<Element> { elements }

    /// The number of slots that have ever been used. Slots from this number on are free.
    @inlinable public var highWater: UInt32 { fresh }
}
