/// Elements of a slab in a row, first in, first out. An element is in the queue once at most; the links lie in the
/// elements themselves, so the queue allocates nothing and has no bound of its own.
struct SlotQueue {
    private var first: UInt32 = .max
    private var last: UInt32 = .max
    /// The link of the first element.
    private let links: UnsafeMutableRawPointer
    private let stride: Int

    /// - Parameters:
    ///   - elements: the slab's first element.
    ///   - offset: where in an element its link lies, a `UInt32` that is the queue's.
    init<Element>(of elements: UnsafeMutablePointer<Element>, link offset: Int?) {
        guard let offset else { preconditionFailure("the link of a queue is a stored property") }
        links = UnsafeMutableRawPointer(elements) + offset
        stride = MemoryLayout<Element>.stride
    }

    var isEmpty: Bool { first == .max }

    private func link(_ slot: UInt32) -> UnsafeMutablePointer<UInt32> {
        (links + Int(slot) * stride).assumingMemoryBound(to: UInt32.self)
    }

    /// Puts an element that is not in the queue at the end.
    mutating func append(_ slot: UInt32) {
        link(slot).pointee = .max
        if first == .max { first = slot } else { link(last).pointee = slot }
        last = slot
    }

    /// Takes the element out that has waited longest; `nil` when there is none.
    mutating func popFirst() -> UInt32? {
        guard first != .max else { return nil }
        let slot = first
        first = link(slot).pointee
        return slot
    }
}
