internal import RingwayModel
internal import RingwayStorage

/// Where the guest has sent to by its UDP mappings and pings, so that solicited datagrams can be told from unsolicited
/// ones (RFC 4787 §5).
///
/// ## Theory of operation
///
/// Most mappings have one peer for life, which the mapping itself remembers; they are not in here at all. One that sends
/// to a second has both entered, and every one after that. The key of a peer lies in the stack's table of flows, whose
/// keyed hash no guest can aim at; the rest of it here, on its owner's list, the one sent to last at the end.
///
/// **Bounds.** All owners share the places. When there is none left, the peer goes that was sent to longest ago of an owner
/// that has most: owners are listed by the power of two that they have reached, so that it is found at once. A guest
/// that scans, or a torrent, replaces its own peers, and a call with three of them keeps its three.
struct PeerTable: ~Copyable {
    private struct Peer: BitwiseCopyable {
        var key: FlowKey
        var links = SlotLinks()
        var owner: UInt32
    }

    private struct Owner: BitwiseCopyable {
        var links = SlotLinks()
        var peers: SlotList
        var count: UInt32 = 0

        /// The power of two that the count has reached.
        var rank: Int { UInt32.bitWidth - 1 - count.leadingZeroBitCount }
    }

    private var peers: Slab<Peer>
    private let owners: UnsafeMutablePointer<Owner>
    private let ownerCount: Int
    /// Owners with peers, by rank.
    private let ranks: UnsafeMutablePointer<SlotList>
    /// The ranks whose lists are not empty, a bit for each.
    private var occupiedRanks: UInt32 = 0

    /// - Parameters:
    ///   - capacity: peers of all owners.
    ///   - owners: the numbers that owners may have.
    init(capacity: Int, owners ownerCount: Int) throws(MemoryFailure) {
        // What may fail comes before any stored property is set.
        var blocks = MemoryBlocks()
        let owners = try blocks.apart(ownerCount, of: Owner.self)
        let ranks = try blocks.apart(UInt32.bitWidth, of: SlotList.self)
        let peers = try Slab<Peer>(capacity: capacity)
        blocks.keep()
        self.peers = peers
        self.owners = owners
        self.ownerCount = ownerCount
        self.ranks = ranks
        let list = SlotList(of: owners, offset: MemoryLayout<Owner>.offset(of: \.links))
        ranks.initialize(repeating: list, count: UInt32.bitWidth)
    }

    deinit {
        owners.deallocate()
        ranks.deallocate()
    }

    /// Peers of all owners.
    var count: Int { peers.count }
    var capacity: Int { peers.capacity }

    /// The peers of one owner.
    func count(of owner: UInt32) -> Int { Int(owners[Int(owner)].count) }

    /// There is an owner of this number from now on, without peers.
    mutating func open(_ owner: UInt32) {
        precondition(Int(owner) < ownerCount, "owners have small numbers")
        let list = SlotList(of: peers.base, offset: MemoryLayout<Peer>.offset(of: \.links))
        (owners + Int(owner)).initialize(to: Owner(peers: list))
    }

    /// Whether the guest has sent to the peer lately.
    @inline(__always)
    func contains(_ key: FlowKey, in table: borrowing FlowTable) -> Bool { table.find(key)?.kind == .peer }

    /// Notes that the guest has sent to a peer; true where another had to go for it.
    mutating func note(_ key: FlowKey, of owner: UInt32, in table: inout FlowTable) -> Bool {
        if let known = table.find(key) {
            owners[Int(owner)].peers.moveToEnd(known.slot)
            return false
        }
        let isFull = peers.count == peers.capacity
        if isFull { evict(from: &table) }
        guard let handle = peers.insert(Peer(key: key, owner: owner)) else { return isFull }
        guard table.insert(key, Flow(.peer, slot: handle.slot)) else {
            peers.remove(slot: handle.slot)
            return true
        }
        owners[Int(owner)].peers.append(handle.slot)
        setCount(of: owner, owners[Int(owner)].count &+ 1)
        return isFull
    }

    /// The owner is gone, and its peers are forgotten.
    mutating func close(_ owner: UInt32, in table: inout FlowTable) {
        var slot = owners[Int(owner)].peers.first
        while slot != SlotList.none, let peer = peers.pointer(inSlot: slot) {
            let next = peer.pointee.links.next
            table.remove(peer.pointee.key)
            peers.remove(slot: slot)
            slot = next
        }
        setCount(of: owner, 0)
        open(owner)
    }

    private mutating func evict(from table: inout FlowTable) {
        guard occupiedRanks != 0 else { return }
        let greediest = ranks[UInt32.bitWidth - 1 - occupiedRanks.leadingZeroBitCount].first
        let slot = owners[Int(greediest)].peers.first
        guard let peer = peers.pointer(inSlot: slot) else {
            preconditionFailure("an owner is listed that has no peers")
        }
        table.remove(peer.pointee.key)
        owners[Int(greediest)].peers.remove(slot)
        peers.remove(slot: slot)
        setCount(of: greediest, owners[Int(greediest)].count &- 1)
    }

    /// Moves an owner to the list of its rank.
    private mutating func setCount(of owner: UInt32, _ count: UInt32) {
        let place = owners + Int(owner)
        let (before, former) = (place.pointee.count, place.pointee.rank)
        place.pointee.count = count
        let rank = place.pointee.rank
        guard rank != former || (before == 0) != (count == 0) else { return }
        if before > 0 {
            ranks[former].remove(owner)
            if ranks[former].isEmpty { occupiedRanks &= ~(1 << UInt32(former)) }
        }
        if count > 0 {
            ranks[rank].append(owner)
            occupiedRanks |= 1 << UInt32(rank)
        }
    }
}

extension FlowKey {
    /// Sets peers apart from flows, none of which has such a transport.
    private static var peerMark: UInt32 { 0x100 }

    /// The key of a peer of the mapping, or of the ping, with this key.
    ///
    /// - Parameter port: zero where any port of the address is meant.
    @inline(__always)
    func peer(_ address: IPAddress, port: UInt16) -> FlowKey {
        var key = self
        key.remote = address
        key.remotePort = port
        key.transport |= Self.peerMark
        return key
    }

    /// The key of a peer of the mapping with this key, as a filter tells peers apart.
    @inline(__always)
    func peer(_ peer: TransportAddress, _ filtering: UDPFiltering) -> FlowKey {
        self.peer(peer.address, port: filtering.remembered(peer.port))
    }
}
