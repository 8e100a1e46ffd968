internal import RingwayModel
internal import RingwayStorage

/// The remote hosts that the guest has sent to through its UDP mappings and pings: the filter that separates solicited
/// from unsolicited datagrams (RFC 4787 §5).
///
/// ## Theory of operation
///
/// Most mappings only ever have one peer, which the mapping itself stores; such a peer is not in this table. When the
/// guest sends through a mapping to a second peer, both peers are entered, and so is every later one. The key of a
/// peer is in the stack's flow table, whose hash is keyed so that a guest cannot cause collisions. The rest of a
/// peer's entry is here, in the list of its *owner*, the mapping or ping that sent to it. The most recently used peer
/// is last in the list.
///
/// **Bounds.** All owners share the entries. If none is free, an owner with many peers loses its least recently used
/// peer. To find such an owner at once, owners are listed by the binary logarithm of their number of peers, rounded
/// down, and an owner from the highest list is taken: it has more than half as many peers as any other owner. A port
/// scan or a BitTorrent client therefore evicts its own peers, and a voice call with three peers keeps all three.
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

        /// The binary logarithm of the number of peers, rounded down.
        var rank: Int { UInt32.bitWidth - 1 - count.leadingZeroBitCount }
    }

    private var peers: Slab<Peer>
    private let owners: UnsafeMutablePointer<Owner>
    private let ownerCount: Int
    /// Owners with peers, by rank.
    private let ranks: UnsafeMutablePointer<SlotList>
    /// A bit for each rank whose list is not empty.
    private var occupiedRanks: UInt32 = 0

    /// Allocates a table without peers.
    ///
    /// - Parameters:
    ///   - capacity: the most peers of all owners together.
    ///   - owners: the number of owners, which are numbered from zero.
    init(capacity: Int, owners ownerCount: Int) throws(MemoryFailure) {
        // Allocations that may fail come before any stored property is set: an `init` that throws after all properties
        // are set runs `deinit`.
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

    /// The number of peers of all owners together.
    var count: Int { peers.count }
    var capacity: Int { peers.capacity }

    /// The number of peers of one owner.
    func count(of owner: UInt32) -> Int { Int(owners[Int(owner)].count) }

    /// Adds an owner without peers.
    mutating func open(_ owner: UInt32) {
        precondition(Int(owner) < ownerCount, "owners have small numbers")
        let list = SlotList(of: peers.base, offset: MemoryLayout<Peer>.offset(of: \.links))
        (owners + Int(owner)).initialize(to: Owner(peers: list))
    }

    /// Whether the table has a peer with this key. The only peer of a mapping is not in the table: the mapping stores
    /// it.
    @inline(__always)
    func contains(_ key: FlowKey, in table: borrowing FlowTable) -> Bool { table.find(key)?.kind == .peer }

    /// Records that the guest has sent to a peer. True if another peer was evicted for it, or if the flow table had
    /// no room for it.
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

    /// Removes all peers of an owner that has ended.
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

    /// Sets the number of an owner's peers, and moves the owner to the list of its new rank.
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
    /// The bit of `transport` that is set in the keys of peers, and in no key of a flow.
    private static var peerMark: UInt32 { 0x100 }

    /// The key of a peer of the mapping or ping with this key.
    ///
    /// - Parameter port: zero for any port of the address.
    @inline(__always)
    func peer(_ address: IPAddress, port: UInt16) -> FlowKey {
        var key = self
        key.remote = address
        key.remotePort = port
        key.transport |= Self.peerMark
        return key
    }

    /// The key of a peer of the mapping with this key. `remotePort` is zero if the filter ignores ports.
    @inline(__always)
    func peer(_ peer: TransportAddress, _ filtering: UDPFiltering) -> FlowKey {
        self.peer(peer.address, port: filtering.remembered(peer.port))
    }
}
