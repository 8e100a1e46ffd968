internal import RingwayStorage

/// Values indexed by the slot numbers of a table that another component owns. For example, sockets are indexed by the
/// slots of their flows in the stack.
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

    /// Creates an empty list of slots of the table.
    func list(_ links: KeyPath<Element, SlotLinks>) -> SlotList {
        SlotList(of: elements, offset: MemoryLayout<Element>.offset(of: links))
    }

    /// The number of slots that have a value. Visits every slot.
    var count: Int { (0..<capacity).count { present[$0] } }

    /// The value in `slot`; `nil` if it has none.
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
