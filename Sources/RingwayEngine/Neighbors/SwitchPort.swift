internal import Glibc
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// The tables of a guest's part for the switch between the guests of a network: the guest's own addresses, and the
/// places to which frames for its neighbours are posted.
///
/// The tables are bounded. They are searched for every frame of the guest, so they are raw memory: an access to an
/// array might count a reference. A linear search is sufficient: few guests share a network, and a guest has few
/// addresses.
struct SwitchPort {
    /// Token bucket of the broadcast and multicast frames that the guest sends on this shard: its size, and its rate
    /// per second.
    private static var floodBurst: UInt32 { 256 }
    private static var floodRate: UInt32 { 1_000 }
    /// The number of the guest's fragmented packets to neighbours that are remembered at a time.
    private static var fragmentedPackets: Int { 64 }
    /// Token bucket of the guest's frames to neighbours, on all shards together: its size, and its rate per second.
    /// The rate is higher than the frame rate of a link without offloads, but frames at this rate cost a shard little
    /// time.
    static var crossingBurst: UInt32 { 8_192 }
    static var crossingRate: UInt32 { 250_000 }
    /// Nanoseconds without use after which an address may be replaced: guests with temporary addresses (RFC 8981) do
    /// not announce that they have stopped using one.
    static var idleTime: UInt64 { 60_000_000_000 }

    /// The guest's own ethernet address, the only one it may send from.
    let mac: MACAddress
    var floods: TokenBucket
    /// Decides which of the guest's packets are passed to neighbours.
    var filter: NeighborFilter
    var crossings: TokenBucket

    /// The address in the last report that the guest sends from a foreign address, and the time of that report. They
    /// limit the reports about a guest that sends from many addresses.
    private var toldAddress = IPAddress(high: 0, low: 0)
    private var toldAt: UInt64?
    private let addresses: UnsafeMutablePointer<IPAddress>
    /// The time at which each address was last used, in monotonic nanoseconds.
    private let uses: UnsafeMutablePointer<UInt64>
    private var addressCount = 0
    private let addressLimit: Int
    private let neighbors: UnsafeMutablePointer<MACAddress>
    private let places: UnsafeMutablePointer<GuestPlace>
    private(set) var neighborCount = 0
    private let neighborLimit: Int

    init(_ configuration: EngineConfiguration, now: UInt64) throws(MemoryFailure) {
        let isUsed = configuration.claims != nil
        // Plus one for the IPv4 address, which is not part of the limit.
        addressLimit = isUsed ? max(1, configuration.addressLimit) + 1 : 1
        neighborLimit = isUsed ? max(1, configuration.neighborLimit) : 1
        var blocks = MemoryBlocks()
        addresses = try blocks.apart(addressLimit, of: IPAddress.self)
        uses = try blocks.apart(addressLimit, of: UInt64.self)
        neighbors = try blocks.apart(neighborLimit, of: MACAddress.self)
        places = try blocks.apart(neighborLimit, of: GuestPlace.self)
        let filter = try NeighborFilter(fragments: isUsed ? Self.fragmentedPackets : 1)
        blocks.keep()
        mac = configuration.stack.guestMAC
        floods = TokenBucket(capacity: Self.floodBurst, perSecond: Self.floodRate, now: now)
        self.filter = filter
        let shards = UInt32(max(1, configuration.stack.shards))
        crossings = TokenBucket(
            capacity: Self.crossingBurst / shards, perSecond: Self.crossingRate / shards, now: now)
        addAddress(IPAddress(configuration.stack.guestIPv4), now: now)
    }

    func deallocate() {
        addresses.deallocate()
        uses.deallocate()
        neighbors.deallocate()
        places.deallocate()
        filter.deallocate()
    }

    // MARK: The guest's addresses

    /// Whether the guest is known to have the address; records that it is in use.
    @inline(__always)
    func holds(_ address: IPAddress, now: UInt64) -> Bool {
        var index = 0
        while index < addressCount {
            if addresses[index] == address {
                uses[index] = now
                return true
            }
            index &+= 1
        }
        return false
    }

    var hasRoomForAddress: Bool { addressCount < addressLimit }

    mutating func addAddress(_ address: IPAddress, now: UInt64) {
        guard hasRoomForAddress else { return }
        (addresses + addressCount).initialize(to: address)
        (uses + addressCount).initialize(to: now)
        addressCount += 1
    }

    /// Sets the guest's IPv4 address, which is the first entry.
    mutating func setIPv4(_ address: IPv4Address, now: UInt64) {
        addresses[0] = IPAddress(address)
        uses[0] = now
    }

    /// Removes and returns the IPv6 address that was used least recently; `nil` if there is none, or it was used
    /// within `idleTime`.
    mutating func forgetIdlestAddress(now: UInt64) -> IPAddress? {
        guard addressCount > 1, let idlest = (1..<addressCount).min(by: { uses[$0] < uses[$1] }),
            now &- uses[idlest] > Self.idleTime
        else { return nil }
        let address = addresses[idlest]
        addressCount -= 1
        addresses[idlest] = addresses[addressCount]
        uses[idlest] = uses[addressCount]
        return address
    }

    /// Removes an IPv6 address that now belongs to another guest; returns whether it was in the table.
    mutating func forgetAddress(_ address: IPAddress) -> Bool {
        for index in 1..<max(1, addressCount) where addresses[index] == address {
            addressCount -= 1
            addresses[index] = addresses[addressCount]
            uses[index] = uses[addressCount]
            return true
        }
        return false
    }

    /// Whether to report that the guest sends from an address that is not its own: at most once a second, and at most
    /// once a minute while the address stays the same. IPv6 addresses are not reported, because guests routinely create
    /// more of them than they may use.
    mutating func shouldTell(of address: IPAddress, now: UInt64) -> Bool {
        guard address.isIPv4, !address.isUnspecified else { return false }
        let rest: UInt64 = address == toldAddress ? 60_000_000_000 : 1_000_000_000
        if let toldAt, now &- toldAt < rest { return false }
        toldAddress = address
        toldAt = now
        return true
    }

    // MARK: Neighbours

    /// The place to which frames for a neighbour are posted; `none` if the neighbour is unknown.
    @inline(__always)
    func place(of neighbor: MACAddress) -> GuestPlace {
        var index = 0
        while index < neighborCount {
            if neighbors[index] == neighbor { return places[index] }
            index &+= 1
        }
        return .none
    }

    func place(at index: Int) -> GuestPlace { places[index] }

    /// Adds a new neighbour; false if the table is full.
    @discardableResult
    mutating func addNeighbor(_ neighbor: MACAddress, at place: GuestPlace) -> Bool {
        guard neighborCount < neighborLimit else { return false }
        (neighbors + neighborCount).initialize(to: neighbor)
        (places + neighborCount).initialize(to: place)
        neighborCount += 1
        return true
    }

    /// Removes a neighbour, if it is in the table.
    mutating func removeNeighbor(_ neighbor: MACAddress) {
        for index in 0..<neighborCount where neighbors[index] == neighbor {
            neighborCount -= 1
            neighbors[index] = neighbors[neighborCount]
            places[index] = places[neighborCount]
            return
        }
    }
}
