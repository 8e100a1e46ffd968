/// A doubly linked list of slots of one table, as a queue or in order of last use. The links are in the table's
/// elements, so a list allocates nothing, and all operations take constant time.
@frozen
public struct SlotList {
    /// No slot.
    @inlinable public static var none: UInt32 { .max }

    @usableFromInline var front: UInt32 = SlotList.none
    @usableFromInline var back: UInt32 = SlotList.none
    @usableFromInline let links: UnsafeMutableRawPointer
    @usableFromInline let stride: Int

    /// - Parameters:
    ///   - base: the table's first element.
    ///   - offset: the offset of an element's `SlotLinks`, in bytes: `MemoryLayout<Element>.offset(of:)`.
    @inlinable public init<Element: BitwiseCopyable>(of base: UnsafeMutablePointer<Element>, offset: Int?) {
        guard let offset else { preconditionFailure("the links are a stored property") }
        links = UnsafeMutableRawPointer(base) + offset
        stride = MemoryLayout<Element>.stride
    }

    @inlinable @inline(__always)
    func links(_ slot: UInt32) -> UnsafeMutablePointer<SlotLinks> {
        (links + Int(slot) &* stride).assumingMemoryBound(to: SlotLinks.self)
    }

    /// The slot at the front, or `none`.
    @inlinable public var first: UInt32 { front }
    /// The slot at the end, or `none`.
    @inlinable public var last: UInt32 { back }
    @inlinable public var isEmpty: Bool { front == Self.none }

    /// The slot after `slot`, or `none`.
    @inlinable public func next(after slot: UInt32) -> UInt32 { links(slot).pointee.next }

    /// Appends `slot`, which must not be on the list.
    @inlinable public mutating func append(_ slot: UInt32) {
        links(slot).pointee = SlotLinks()
        links(slot).pointee.previous = back
        if back == Self.none { front = slot } else { links(back).pointee.next = slot }
        back = slot
    }

    /// Removes `slot` from the list.
    @inlinable public mutating func remove(_ slot: UInt32) {
        let own = links(slot).pointee
        if own.previous == Self.none { front = own.next } else { links(own.previous).pointee.next = own.next }
        if own.next == Self.none { back = own.previous } else { links(own.next).pointee.previous = own.previous }
        links(slot).pointee = SlotLinks()
    }

    /// Removes and returns the slot at the front; `nil` if the list is empty.
    @inlinable public mutating func popFirst() -> UInt32? {
        let slot = front
        guard slot != Self.none else { return nil }
        remove(slot)
        return slot
    }

    /// Moves `slot`, which is on the list, to the end.
    @inlinable public mutating func moveToEnd(_ slot: UInt32) {
        guard back != slot else { return }
        remove(slot)
        append(slot)
    }
}

/// An element's links in a `SlotList`.
@frozen
public struct SlotLinks: BitwiseCopyable, Sendable {
    public var previous: UInt32 = SlotList.none
    public var next: UInt32 = SlotList.none

    @inlinable public init() {}
}
