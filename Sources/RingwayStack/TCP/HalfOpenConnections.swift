internal import RingwayStorage

/// Connections in the handshake, by the side that opened them, in order of age.
///
/// Those opened by the guest and those opened by clients of published ports have separate limits, so that neither can
/// exclude the other.
struct HalfOpenConnections {
    /// The half-open connections that were opened by one side: the guest, or clients of published ports.
    struct Direction {
        private var byAge: SlotList
        private(set) var count = 0

        fileprivate init(of connections: borrowing Slab<TCPConnection>) {
            byAge = SlotList(
                of: connections.base, offset: MemoryLayout<TCPConnection>.offset(of: \.halfOpenLinks))
        }

        /// The slot of the oldest connection, or `SlotList.none`.
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
    /// The limit of each direction.
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
