internal import Synchronization

/// A block of the host's 65,536 ICMP echo identifiers, for the raw sockets of one guest on one shard.
///
/// Every raw ICMP socket receives all echo replies that arrive at the host. Therefore a guest's raw sockets on a
/// shard have a block of identifiers that no other raw sockets of this process use. The upper bits of an identifier
/// select the block, so the kernel can filter replies by one comparison. The lower bits are the ping's slot.
struct EchoIdentifiers: Equatable, Sendable {
    /// The numbers of identifiers in the smallest and in the largest block. The largest is limited, because all guests
    /// share the identifiers.
    private static let unit = 256
    private static let largest = 4_096
    private static let units = 65_536 / unit
    /// For each `unit` of identifiers, whether it is reserved. All networks of the process share this table, because
    /// identifiers belong to the host.
    private static let taken = Mutex([Bool](repeating: false, count: units))

    /// The lowest identifier of the block; a multiple of `count`.
    let first: UInt16
    /// The number of identifiers in the block; a power of two.
    let count: Int

    /// The bits of an identifier that select the block.
    var mask: UInt16 { ~UInt16(count - 1) }

    /// Reserves a block of at least `wanted` identifiers, but never of more than `largest`; `nil` if no such block is
    /// free. The search starts at a random block, because other Ringway processes on the host also choose blocks and do
    /// not share this table.
    static func take(atLeast wanted: Int) -> EchoIdentifiers? {
        var count = unit
        while count < min(wanted, largest) { count *= 2 }
        let width = count / unit
        return taken.withLock { taken in
            let places = units / width
            let start = Int.random(in: 0..<places)
            for step in 0..<places {
                let place = (start + step) % places * width
                guard !taken[place..<place + width].contains(true) else { continue }
                for index in place..<place + width { taken[index] = true }
                return EchoIdentifiers(first: UInt16(place * unit), count: count)
            }
            return nil
        }
    }

    /// Releases the block. Called once.
    func release() {
        Self.taken.withLock { taken in
            let place = Int(first) / Self.unit
            for index in place..<place + count / Self.unit { taken[index] = false }
        }
    }

    /// The identifier of the ping in a slot; `nil` beyond the block.
    func identifier(ofSlot slot: UInt32) -> UInt16? {
        slot < UInt32(count) ? first | UInt16(truncatingIfNeeded: slot) : nil
    }

    /// The slot of an identifier; `nil` if it belongs to another block.
    func slot(of identifier: UInt16) -> UInt32? {
        identifier & mask == first ? UInt32(identifier & ~mask) : nil
    }
}
