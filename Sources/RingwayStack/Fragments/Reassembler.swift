internal import RingwayModel
public import RingwayStorage
public import RingwayWire

/// Reassembles the guest's fragmented IPv4 and IPv6 datagrams (RFC 791 §3.2, RFC 8200 §4.5, RFC 5722).
///
/// ## Theory of operation
///
/// Each incomplete datagram has a slot: 64 KiB for its bytes, a bit for each block of eight bytes, and the length once
/// the last fragment has arrived. All slots are allocated at the start, but their pages take memory only once they are
/// used. The lowest free slot is used first, so a guest that rarely fragments uses the memory of one slot.
///
/// A fragment that contradicts earlier ones (a partial overlap, different bytes at one place, data beyond the end,
/// two different ends) condemns the datagram: its slot stays occupied until the timeout or an eviction, so that all
/// further fragments are dropped, as RFC 5722 §4 requires, and not mistaken for a new datagram. An exact repetition
/// is not a contradiction (RFC 8200 §4.5 permits this).
///
/// If all slots are in use, the oldest condemned datagram is dropped, or, if none is condemned, the oldest datagram.
public struct Reassembler: ~Copyable {
    /// The reassembly timeout, nanoseconds.
    ///
    /// RFC 791 §3.2 suggests 15 seconds, RFC 8200 §4.5 says 60, Linux uses 30 for IPv4. On a link inside one machine
    /// fragments arrive within microseconds or not at all, and the 16 bits of an IPv4 identification can wrap within
    /// seconds (RFC 4963), so a longer timeout would increase mis-association. The timeout is therefore 30 seconds for
    /// both families.
    public static var timeout: UInt64 { 30 * 1_000_000_000 }

    /// Datagrams reassembled.
    public private(set) var completed: UInt64 = 0
    /// Malformed and oversized fragments, and dropped datagrams, by reason. Further fragments of a condemned datagram
    /// are not counted.
    public private(set) var drops = ServiceDropCounts()
    /// Slots in use, condemned datagrams included.
    public private(set) var inUse = 0
    /// The number of slots.
    public let capacity: Int

    private struct Slot {
        enum State: UInt8 { case free, collecting, condemned }

        var state: State = .free
        var key = FragmentKey(
            source: IPAddress(high: 0, low: 0), destination: IPAddress(high: 0, low: 0), identification: 0,
            protocolNumber: 0)
        var deadline: UInt64 = 0
        /// The datagram's length; zero until the last fragment arrives.
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
    ///   - summary: the result of `FrameSummary.parse` for the frame.
    ///   - now: monotonic nanoseconds.
    /// - Returns: the datagram, if this fragment completed it.
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

    /// The earliest time at which `expire` has work, in monotonic nanoseconds; `nil` if no slot is in use.
    public var nextDeadline: UInt64? {
        guard inUse > 0 else { return nil }
        var earliest: UInt64?
        for index in 0..<capacity where slots[index].state != .free {
            earliest = min(earliest ?? .max, slots[index].deadline)
        }
        return earliest
    }

    /// Drops the datagrams that have timed out at `now`.
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

    /// Frees a slot. Counts `reason`, unless the datagram is condemned: `condemn` has counted it already.
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

    /// Whether the fragment is consistent with the datagram's length. While the length is unknown, a last fragment must
    /// not end before data that was received.
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
