internal import RingwayStorage

/// Values beside the slots of another owner's slab: the owner's part of what the stack numbers.
struct SlotTable<Element: BitwiseCopyable>: ~Copyable {
    private let elements: UnsafeMutablePointer<Element>
    private let present: UnsafeMutablePointer<Bool>
    let capacity: Int

    init(capacity: Int) throws(MemoryFailure) {
        var blocks = MemoryBlocks()
        let elements = try blocks.apart(capacity, of: Element.self)
        let present = try blocks.apart(capacity, of: Bool.self)
        blocks.keep()
        self.capacity = capacity
        self.elements = elements
        self.present = present
        present.initialize(repeating: false, count: capacity)
    }

    deinit {
        elements.deallocate()
        present.deallocate()
    }

    /// A list of slots of the table, which is empty.
    func list(_ links: KeyPath<Element, SlotLinks>) -> SlotList {
        SlotList(of: elements, offset: MemoryLayout<Element>.offset(of: links))
    }

    /// Slots that have a value; looks at all of them.
    var count: Int { (0..<capacity).count { present[$0] } }

    /// The value in `slot`, or `nil`.
    func pointer(_ slot: UInt32) -> UnsafeMutablePointer<Element>? {
        precondition(Int(slot) < capacity)
        return present[Int(slot)] ? elements + Int(slot) : nil
    }

    func insert(_ element: Element, _ slot: UInt32) -> UnsafeMutablePointer<Element> {
        precondition(Int(slot) < capacity && !present[Int(slot)])
        present[Int(slot)] = true
        (elements + Int(slot)).initialize(to: element)
        return elements + Int(slot)
    }

    func remove(_ slot: UInt32) { present[Int(slot)] = false }
}
