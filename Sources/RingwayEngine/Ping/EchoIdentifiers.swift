internal import Synchronization

/// A block of the host's echo identifiers, for the raw sockets of one shard.
///
/// Every raw ICMP socket gets every echo reply of the host. By blocks that no two shards of the process share the kernel
/// can filter a reply with one comparison, and the shard finds the ping by the rest of the identifier.
struct EchoIdentifiers: Equatable, Sendable {
    /// Identifiers of the smallest block and of the largest: all shards of all guests share what there are.
    private static let unit = 256
    private static let largest = 4_096
    private static let units = 65_536 / unit
    /// Identifiers belong to the host, so the blocks are shared by all networks of the process.
    private static let taken = Mutex([Bool](repeating: false, count: units))

    /// The lowest; a multiple of `count`.
    let first: UInt16
    /// A power of two.
    let count: Int

    /// The bits of an identifier that say which block it is of.
    var mask: UInt16 { ~UInt16(count - 1) }

    /// Takes a block for so many pings, or for as many as the largest has; `nil` when none is left. Other programs of the
    /// host use identifiers too, so it begins anywhere.
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

    /// Gives the block back. Called once.
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

    /// The slot of an identifier; `nil` when it is of another block.
    func slot(of identifier: UInt16) -> UInt32? {
        identifier & mask == first ? UInt32(identifier & ~mask) : nil
    }
}
