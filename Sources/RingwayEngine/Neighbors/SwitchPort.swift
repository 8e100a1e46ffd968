internal import Glibc
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// One shard's end of the switch between the guests of a network: what its guest may say of itself, and where frames for
/// the others go.
///
/// Tables in bare memory, each with a bound, because every frame of the guest passes here. They are searched from the
/// front: few guests share a network, and a guest has few addresses.
struct SwitchPort {
    /// Broadcast and multicast frames that the guest may send at once, and in each second.
    private static var floodBurst: UInt32 { 256 }
    private static var floodRate: UInt32 { 1_000 }
    /// Packets of the guest in fragments that are on their way to neighbours at a time.
    private static var fragmentedPackets: Int { 64 }
    /// Frames to neighbours that the guest may send at once, and in each second, on all shards together: more than a link
    /// without offloads carries, and no more than a few of a shard's many turns are taken up by.
    static var crossingBurst: UInt32 { 8_192 }
    static var crossingRate: UInt32 { 250_000 }
    /// Nanoseconds after which an address that is not used makes room for another: guests that make themselves temporary
    /// addresses (RFC 8981) never say when they are done with one.
    static var idleTime: UInt64 { 60_000_000_000 }

    /// The guest's own ethernet address, the only one it may send from.
    let mac: MACAddress
    var floods: TokenBucket
    /// What neighbours may have of what the guest sends.
    var filter: NeighborFilter
    var crossings: TokenBucket

    /// The foreign address that was told last, and when; a guest that sends from many cannot make us tell of all.
    private var toldAddress = IPAddress(high: 0, low: 0)
    private var toldAt: UInt64?
    private let addresses: UnsafeMutablePointer<IPAddress>
    /// When each was used last, in monotonic nanoseconds.
    private let uses: UnsafeMutablePointer<UInt64>
    private var addressCount = 0
    private let addressLimit: Int
    private let neighbors: UnsafeMutablePointer<MACAddress>
    private let places: UnsafeMutablePointer<GuestPlace>
    private(set) var neighborCount = 0
    private let neighborLimit: Int

    init(_ configuration: EngineConfiguration, now: UInt64) throws(MemoryFailure) {
        let isUsed = configuration.claims != nil
        // The IPv4 address, beside those of IPv6 that the limit is about.
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

    /// Whether the guest is known to hold the address, which it uses now.
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

    /// The guest has another IPv4 address, which is the first one.
    mutating func setIPv4(_ address: IPv4Address, now: UInt64) {
        addresses[0] = IPAddress(address)
        uses[0] = now
    }

    /// Forgets the IPv6 address that has not been used for longest, if that is long enough.
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

    /// Forgets an IPv6 address that is another guest's from now on; whether it was known.
    mutating func forgetAddress(_ address: IPAddress) -> Bool {
        for index in 1..<max(1, addressCount) where addresses[index] == address {
            addressCount -= 1
            addresses[index] = addresses[addressCount]
            uses[index] = uses[addressCount]
            return true
        }
        return false
    }

    /// Whether it is to be told that the guest sends from an address that it does not have. IPv4 alone: guests make
    /// themselves more addresses of IPv6 than they may have, and do without.
    mutating func shouldTell(of address: IPAddress, now: UInt64) -> Bool {
        guard address.isIPv4, !address.isUnspecified else { return false }
        let rest: UInt64 = address == toldAddress ? 60_000_000_000 : 1_000_000_000
        if let toldAt, now &- toldAt < rest { return false }
        toldAddress = address
        toldAt = now
        return true
    }

    // MARK: Neighbours

    /// Where frames for a neighbour go; `none` when there is none of this address.
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

    /// Takes note of a neighbour that is not known, unless there is no room; false then.
    @discardableResult
    mutating func addNeighbor(_ neighbor: MACAddress, at place: GuestPlace) -> Bool {
        guard neighborCount < neighborLimit else { return false }
        (neighbors + neighborCount).initialize(to: neighbor)
        (places + neighborCount).initialize(to: place)
        neighborCount += 1
        return true
    }

    /// Forgets a neighbour, if there is one of this address.
    mutating func removeNeighbor(_ neighbor: MACAddress) {
        for index in 0..<neighborCount where neighbors[index] == neighbor {
            neighborCount -= 1
            neighbors[index] = neighbors[neighborCount]
            places[index] = places[neighborCount]
            return
        }
    }
}
