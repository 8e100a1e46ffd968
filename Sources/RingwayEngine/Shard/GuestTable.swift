internal import RingwayStorage

/// A guest on a shard, as the shard keeps it.
struct GuestSlot {
    /// In the memory of its engine; `nil` in a free slot.
    var guest: UnsafeMutablePointer<ShardGuest>?
    var generation: UInt16 = 0
    /// Operations that the kernel has and has not ended.
    var inFlight = 0
    /// When the guest wants a turn though nothing completes, monotonic nanoseconds; `max` for never.
    var deadline = UInt64.max
    /// The turn in which the guest was served last.
    var turn: UInt64 = 0
    /// Whether the guest is on the list of those that have a part in the turn.
    var isActive = false
}

/// The guests of a shard, and which of them have a part in the turn.
///
/// Tables in bare memory with room for as many guests as there may be: a guest that does nothing costs one comparison in a
/// turn. Confined to the shard's thread.
struct GuestTable: ~Copyable {
    private let slots: UnsafeMutablePointer<GuestSlot>
    /// Slots that have a guest, in no order.
    private let present: UnsafeMutablePointer<UInt16>
    private(set) var count = 0
    /// Slots of guests that have a part in the turn, in the order in which they came to it.
    private let active: UnsafeMutablePointer<UInt16>
    private(set) var activeCount = 0
    private let capacity: Int

    /// - Parameter capacity: guests, whose slots are numbered from one on.
    init(capacity: Int) throws(MemoryFailure) {
        var blocks = MemoryBlocks()
        let slots = try blocks.apart(capacity + 1, of: GuestSlot.self)
        let present = try blocks.apart(capacity, of: UInt16.self)
        let active = try blocks.apart(capacity, of: UInt16.self)
        blocks.keep()
        self.capacity = capacity
        self.slots = slots
        self.present = present
        self.active = active
        slots.initialize(repeating: GuestSlot(), count: capacity + 1)
    }

    deinit {
        slots.deallocate()
        present.deallocate()
        active.deallocate()
    }

    subscript(slot: UInt16) -> UnsafeMutablePointer<GuestSlot> {
        @inline(__always) get {
            precondition(Int(slot) <= capacity)
            return slots + Int(slot)
        }
    }

    /// The guest at a place; `nil` when it has gone.
    func guest(at place: GuestPlace) -> UnsafeMutablePointer<ShardGuest>? {
        let slot = self[place.slot]
        return slot.pointee.generation == place.generation ? slot.pointee.guest : nil
    }

    // MARK: Guests that come and go

    /// Takes a guest in. From now on it has a part in turns.
    mutating func insert(_ guest: UnsafeMutablePointer<ShardGuest>, at place: GuestPlace) {
        precondition(self[place.slot].pointee.guest == nil, "a slot has one guest")
        self[place.slot].pointee = GuestSlot(guest: guest, generation: place.generation)
        present[count] = place.slot
        count += 1
    }

    /// Forgets a guest that has nothing in flight.
    mutating func remove(_ slot: UInt16) {
        precondition(self[slot].pointee.inFlight == 0, "a guest goes when the kernel has nothing of it")
        for index in 0..<count where present[index] == slot {
            count -= 1
            present[index] = present[count]
            break
        }
        let own = self[slot]
        deactivate { $0 == own }
        self[slot].pointee.guest = nil
        self[slot].pointee.deadline = .max
    }

    func slot(at index: Int) -> UInt16 { present[index] }

    // MARK: The turn

    /// Gives a guest a part in the turn.
    @inline(__always)
    mutating func activate(_ slot: UInt16) {
        guard !self[slot].pointee.isActive else { return }
        self[slot].pointee.isActive = true
        active[activeCount] = slot
        activeCount &+= 1
    }

    @inline(__always)
    func active(at index: Int) -> UInt16 { active[index] }

    /// Takes guests out of the turn.
    mutating func deactivate(where isDone: (UnsafeMutablePointer<GuestSlot>) -> Bool) {
        var kept = 0
        for index in 0..<activeCount {
            let slot = active[index]
            if isDone(self[slot]) {
                self[slot].pointee.isActive = false
            } else {
                active[kept] = slot
                kept &+= 1
            }
        }
        activeCount = kept
    }

    /// When the first of the guests wants a turn; `nil` for never.
    var nextDeadline: UInt64? {
        var earliest = UInt64.max
        var index = 0
        while index < count {
            earliest = min(earliest, slots[Int(present[index])].deadline)
            index &+= 1
        }
        return earliest == .max ? nil : earliest
    }
}
