internal import RingwayStorage

/// The connections whose opening is under way, by the side that began them, each in the order of their age.
///
/// What a guest begins is kept apart from what clients of its published ports begin, with a bound for each: neither can
/// keep the other out.
struct HalfOpenConnections {
    /// One of the two directions.
    struct Direction {
        private var byAge: SlotList
        private(set) var count = 0

        fileprivate init(of connections: borrowing Slab<TCPConnection>) {
            byAge = SlotList(
                of: connections.base, offset: MemoryLayout<TCPConnection>.offset(of: \.halfOpenLinks))
        }

        /// The slot of the one that has waited longest, or `SlotList.none`.
        var oldest: UInt32 { byAge.first }

        fileprivate mutating func append(_ slot: UInt32) {
            byAge.append(slot)
            count += 1
        }

        fileprivate mutating func remove(_ slot: UInt32) {
            byAge.remove(slot)
            count -= 1
        }
    }

    private(set) var ofGuest: Direction
    private(set) var ofHost: Direction
    /// How many there may be of each.
    let limit: Int

    init(of connections: borrowing Slab<TCPConnection>, limit: Int) {
        ofGuest = Direction(of: connections)
        ofHost = Direction(of: connections)
        self.limit = limit
    }

    var count: Int { ofGuest.count + ofHost.count }

    mutating func append(_ slot: UInt32, isOpenedByHost: Bool) {
        if isOpenedByHost { ofHost.append(slot) } else { ofGuest.append(slot) }
    }

    mutating func remove(_ slot: UInt32, isOpenedByHost: Bool) {
        if isOpenedByHost { ofHost.remove(slot) } else { ofGuest.remove(slot) }
    }
}
