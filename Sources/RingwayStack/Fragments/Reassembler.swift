public import RingwayStorage
public import RingwayWire

/// Puts the guest's fragmented IPv4 and IPv6 datagrams together (RFC 791 §3.2, RFC 8200 §4.5, RFC 5722).
///
/// ## Theory of operation
///
/// Each datagram under way has a slot: 64 KiB for its bytes, a bit for each of its blocks of eight, the length once the
/// last fragment has told it. All slots are allocated at the start and their pages touched by the first datagram that
/// reaches so far; the lowest free slot is taken first, so a guest that fragments now and then uses one slot's memory.
///
/// A fragment that disagrees with what has arrived (an overlap, an end beyond the end, two ends) condemns the datagram:
/// its slot stays, *condemned*, until its time is out, so that the rest is dropped with it as RFC 5722 §4 requires and
/// is not mistaken for a new datagram. A repetition of bytes that are the same is no disagreement (RFC 8200 §4.5 allows
/// to tell duplicates apart), because nothing depends on which copy counts.
///
/// At the bound the oldest datagram gives way, condemned ones first.
public struct Reassembler: ~Copyable {
    /// How long a datagram's fragments are waited for, in nanoseconds.
    ///
    /// RFC 791 §3.2 suggests 15 seconds, RFC 8200 §4.5 says 60, Linux takes 30 for IPv4. On a link inside one machine
    /// fragments arrive within microseconds or not at all, and the 16 bits of an IPv4 identification can come round
    /// within seconds (RFC 4963), so waiting longer buys mistakes: 30 for both families.
    public static var timeout: UInt64 { 30 * 1_000_000_000 }

    /// Datagrams that were put together.
    public private(set) var completed: UInt64 = 0
    /// Fragments and datagrams that were not.
    public private(set) var drops = ServiceDropCounts()
    /// Datagrams under way, condemned ones included.
    public private(set) var inUse = 0
    /// The most datagrams that can be under way.
    public let capacity: Int

    private struct Slot {
        enum State: UInt8 { case free, collecting, condemned }

        var state: State = .free
        var key = FragmentKey(
            source: IPAddress(high: 0, low: 0), destination: IPAddress(high: 0, low: 0), identification: 0,
            protocolNumber: 0)
        var deadline: UInt64 = 0
        /// Zero until the last fragment has come.
        var length = 0
        var received = 0
        var highestEnd = 0
        var protocolNumber: UInt8 = 0
        var hopLimit: UInt8 = 0
        var trafficClass: UInt8 = 0
        var sourceMAC = MACAddress(rawValue: 0)
        var destinationMAC = MACAddress(rawValue: 0)
    }

    private static var slotBytes: Int { 65_536 }

    private let slots: UnsafeMutablePointer<Slot>
    private let blocks: UnsafeMutablePointer<UInt64>
    private let storage: UnsafeMutableRawPointer

    /// Memory for `capacity` datagrams, 1 to 65,536.
    public init(capacity: Int = 64) throws(MemoryFailure) {
        precondition(capacity > 0 && capacity <= 65_536, "an impossible number of datagrams")
        var memory = MemoryBlocks()
        let slots = try memory.apart(capacity, of: Slot.self)
        let blocks = try memory.apart(capacity * ReceivedBlocks.wordCount, of: UInt64.self)
        let storage = try memory.pages(capacity * Self.slotBytes)
        memory.keep()
        slots.initialize(repeating: Slot(), count: capacity)
        self.capacity = capacity
        self.slots = slots
        self.blocks = blocks
        self.storage = storage
    }

    deinit {
        slots.deinitialize(count: capacity)
        slots.deallocate()
        blocks.deallocate()
        storage.deallocate()
    }

    /// Takes a frame whose summary says `.fragment`.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - summary: what `FrameSummary.parse` found in it.
    ///   - now: monotonic nanoseconds.
    /// - Returns: the datagram, when this was the fragment that completed it.
    public mutating func add(
        _ frame: UnsafeRawBufferPointer, _ summary: FrameSummary, now: UInt64
    ) -> ReassembledDatagram? {
        guard let fragment = Fragment(frame, summary) else {
            drops.count(.fragmentMalformed)
            return nil
        }
        guard fragment.end <= fragment.limit else {
            drops.count(.fragmentTooLong)
            return nil
        }
        let index = slotIndex(for: fragment.key, now: now)
        return take(fragment, index)
    }

    /// When `expire` has something to do next, in monotonic nanoseconds.
    public var nextDeadline: UInt64? {
        guard inUse > 0 else { return nil }
        var earliest: UInt64?
        for index in 0..<capacity where slots[index].state != .free {
            earliest = min(earliest ?? .max, slots[index].deadline)
        }
        return earliest
    }

    /// Gives up the datagrams whose time is out at `now`.
    public mutating func expire(now: UInt64) {
        for index in 0..<capacity where slots[index].state != .free && slots[index].deadline <= now {
            release(index, .fragmentTimedOut)
        }
    }

    // MARK: Slots

    private mutating func slotIndex(for key: FragmentKey, now: UInt64) -> Int {
        var free: Int?
        var seen = 0
        for index in 0..<capacity {
            if slots[index].state == .free {
                if free == nil { free = index }
                if seen == inUse { break }
                continue
            }
            seen += 1
            guard slots[index].key == key else { continue }
            guard slots[index].deadline <= now else { return index }
            release(index, .fragmentTimedOut)
            free = index
            break
        }
        let index = free ?? evictOldest()
        slots[index] = Slot(state: .collecting, key: key, deadline: now &+ Self.timeout)
        received(index).clear()
        inUse += 1
        return index
    }

    private mutating func evictOldest() -> Int {
        var oldest = 0
        for index in 1..<capacity where isBetterVictim(index, than: oldest) { oldest = index }
        release(oldest, .fragmentEvicted)
        return oldest
    }

    private func isBetterVictim(_ index: Int, than other: Int) -> Bool {
        let condemned = slots[index].state == .condemned
        guard condemned == (slots[other].state == .condemned) else { return condemned }
        return slots[index].deadline < slots[other].deadline
    }

    /// A condemned datagram has been counted already.
    private mutating func release(_ index: Int, _ reason: ServiceDrop) {
        precondition(slots[index].state != .free, "a free slot cannot be released")
        if slots[index].state == .collecting { drops.count(reason) }
        slots[index].state = .free
        inUse -= 1
    }

    private func received(_ index: Int) -> ReceivedBlocks {
        ReceivedBlocks(words: blocks + index * ReceivedBlocks.wordCount)
    }

    private func memory(_ index: Int) -> UnsafeMutableRawPointer { storage + index * Self.slotBytes }

    // MARK: Fragments

    private mutating func take(_ fragment: Fragment, _ index: Int) -> ReassembledDatagram? {
        let slot = slots + index
        guard slot.pointee.state == .collecting else { return nil }
        guard agrees(fragment, slot.pointee) else { return condemn(index) }
        switch received(index).coverage(from: fragment.offset, to: fragment.end) {
        case .some:
            return condemn(index)
        case .all:
            return repeats(fragment, memory(index)) ? nil : condemn(index)
        case .none:
            break
        }
        UnsafeMutableRawBufferPointer(start: memory(index) + fragment.offset, count: fragment.bytes.count)
            .copyMemory(from: fragment.bytes)
        received(index).mark(from: fragment.offset, to: fragment.end)
        slot.pointee.received += fragment.bytes.count
        slot.pointee.highestEnd = max(slot.pointee.highestEnd, fragment.end)
        if fragment.isLast { slot.pointee.length = fragment.end }
        if fragment.offset == 0 {
            slot.pointee.protocolNumber = fragment.protocolNumber
            slot.pointee.hopLimit = fragment.hopLimit
            slot.pointee.trafficClass = fragment.trafficClass
            slot.pointee.sourceMAC = fragment.sourceMAC
            slot.pointee.destinationMAC = fragment.destinationMAC
        }
        guard slot.pointee.length > 0, slot.pointee.received == slot.pointee.length else { return nil }
        return finish(index)
    }

    /// Whether the fragment's end is compatible with what is known of the datagram's.
    private func agrees(_ fragment: Fragment, _ slot: Slot) -> Bool {
        if slot.length > 0 {
            return fragment.isLast ? fragment.end == slot.length : fragment.end <= slot.length
        }
        return !fragment.isLast || fragment.end >= slot.highestEnd
    }

    private func repeats(_ fragment: Fragment, _ memory: UnsafeMutableRawPointer) -> Bool {
        for offset in 0..<fragment.bytes.count
        where fragment.bytes[offset] != memory.load(fromByteOffset: fragment.offset + offset, as: UInt8.self) {
            return false
        }
        return true
    }

    private mutating func condemn(_ index: Int) -> ReassembledDatagram? {
        slots[index].state = .condemned
        drops.count(.fragmentOverlap)
        return nil
    }

    private mutating func finish(_ index: Int) -> ReassembledDatagram {
        let slot = slots[index]
        slots[index].state = .free
        inUse -= 1
        completed &+= 1
        return ReassembledDatagram(
            bytes: UnsafeRawBufferPointer(start: memory(index), count: slot.length), source: slot.key.source,
            destination: slot.key.destination, protocolNumber: slot.protocolNumber, hopLimit: slot.hopLimit,
            trafficClass: slot.trafficClass, sourceMAC: slot.sourceMAC, destinationMAC: slot.destinationMAC)
    }
}
