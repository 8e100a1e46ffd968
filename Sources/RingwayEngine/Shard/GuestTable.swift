internal import RingwayStorage

/// A guest's entry in the table of its shard.
struct GuestSlot {
    /// Memory that the guest's engine owns; `nil` in a free slot.
    var guest: UnsafeMutablePointer<ShardGuest>?
    var generation: UInt16 = 0
    /// Submitted operations whose last completion has not been handled.
    var inFlight = 0
    /// When the guest is served even without a completion, in monotonic nanoseconds; `max` for never.
    var deadline = UInt64.max
    /// The last turn in which the guest was served.
    var turn: UInt64 = 0
    /// Whether the guest is on the list of active guests.
    var isActive = false
}

/// The guests of a shard, and the list of the *active* ones, which are served in the current turn.
///
/// The tables are allocated once, with room for the largest number of guests. An inactive guest costs two comparisons
/// of its deadline per turn. Only the shard's thread may use them.
struct GuestTable: ~Copyable {
    private let slots: UnsafeMutablePointer<GuestSlot>
    /// Slots that have a guest, in no particular order.
    private let present: UnsafeMutablePointer<UInt16>
    private(set) var count = 0
    /// Slots of the active guests, in the order in which they became active.
    private let active: UnsafeMutablePointer<UInt16>
    private(set) var activeCount = 0
    private let capacity: Int

    /// - Parameter capacity: the largest number of guests. Slots are numbered from one.
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

    /// The guest at a place; `nil` if it has been removed.
    func guest(at place: GuestPlace) -> UnsafeMutablePointer<ShardGuest>? {
        let slot = self[place.slot]
        return slot.pointee.generation == place.generation ? slot.pointee.guest : nil
    }

    // MARK: Adding and removing guests

    /// Adds a guest, which can be served from now on.
    mutating func insert(_ guest: UnsafeMutablePointer<ShardGuest>, at place: GuestPlace) {
        precondition(self[place.slot].pointee.guest == nil, "a slot has one guest")
        self[place.slot].pointee = GuestSlot(guest: guest, generation: place.generation)
        present[count] = place.slot
        count += 1
    }

    /// Removes a guest that has no operation in flight.
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

    /// Makes a guest active in the turn.
    @inline(__always)
    mutating func activate(_ slot: UInt16) {
        guard !self[slot].pointee.isActive else { return }
        self[slot].pointee.isActive = true
        active[activeCount] = slot
        activeCount &+= 1
    }

    @inline(__always)
    func active(at index: Int) -> UInt16 { active[index] }

    /// Removes guests from the list of active ones.
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

    /// The earliest deadline of all guests; `nil` for never.
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
