internal import RingwayModel

/// The lease table: one entry per address of the range, allocated once.
///
/// An entry keeps its last client after the lease has ended, so that the client gets the same address again unless
/// another client needed it. Expiry is a comparison with `now`, not a timer: an expired entry is free.
///
/// A client is looked up by its identifier, then by its ethernet address even if the identifiers differ. The second
/// rule deviates from RFC 2131 §4.2 on purpose: a boot loader, an initial RAM disk and an installed system identify
/// one machine in three ways, but ports published to the machine's address must reach all of them. Lookups scan the
/// range, which is bounded by `capacity`; DHCP traffic is rare.
struct DHCPLeaseTable: ~Copyable {
    enum State: UInt8 { case free, offered, bound, quarantined }

    struct Entry {
        var state: State = .free
        /// When the state ends, monotonic nanoseconds; for a free entry, when it was last in use (0 = never).
        var expiry: UInt64 = 0
        /// The ethernet address of the current or last client, or of the client that the address is reserved for.
        var mac = MACAddress(rawValue: 0)
        var identifierLength = 0
        /// The ethernet address of the client that the address is reserved for; zero if it is not reserved.
        var reservation = MACAddress(rawValue: 0)
    }

    /// Client identifiers and host names, stored apart from the entries so that a scan touches few cache lines.
    private struct Texts {
        var identifier = DHCPText()
        var hostName = DHCPText()
    }

    /// The maximum number of addresses in quarantine. If another address is declined, the address quarantined for
    /// longest becomes free again, so that no client can exhaust the range with DHCPDECLINE.
    static var restingLimit: Int { 16 }

    let first: IPv4Address
    let capacity: Int
    private let entries: UnsafeMutablePointer<Entry>
    private let texts: UnsafeMutablePointer<Texts>

    init(first: IPv4Address, last: IPv4Address, limit: Int) {
        precondition(first <= last, "a range without addresses")
        precondition(limit > 0, "a table without entries")
        self.first = first
        capacity = min(Int(last.rawValue - first.rawValue) + 1, limit)
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Entry(), count: capacity)
        texts = .allocate(capacity: capacity)
        texts.initialize(repeating: Texts(), count: capacity)
    }

    deinit {
        entries.deinitialize(count: capacity)
        entries.deallocate()
        texts.deinitialize(count: capacity)
        texts.deallocate()
    }

    func address(of index: Int) -> IPv4Address { IPv4Address(rawValue: first.rawValue + UInt32(index)) }

    func index(of address: IPv4Address) -> Int? {
        guard address >= first, address.rawValue - first.rawValue < UInt32(capacity) else { return nil }
        return Int(address.rawValue - first.rawValue)
    }

    func entry(_ index: Int) -> Entry { entries[index] }

    func hostName(_ index: Int) -> DHCPText { texts[index].hostName }

    /// The state at `now`; an expired entry is free.
    func state(_ index: Int, now: UInt64) -> State {
        entries[index].state != .free && entries[index].expiry <= now ? .free : entries[index].state
    }

    func isReserved(_ index: Int) -> Bool { entries[index].reservation.rawValue != 0 }

    // MARK: Looking up

    /// The address that is leased or offered to the client, or else the address that the client had before. Among
    /// several, an equal identifier wins over an equal ethernet address. An entry in state `quarantined` is skipped,
    /// even if the quarantine has expired, because the client has declined that address.
    func find(_ client: DHCPClient, now: UInt64) -> Int? {
        var best: Int?
        var bestRank = 0
        for index in 0..<capacity where entries[index].state != .quarantined {
            let match = matchRank(client, index)
            guard match > 0 else { continue }
            let rank = match + (state(index, now: now) == .free ? 0 : 2)
            if rank > bestRank { (best, bestRank) = (index, rank) }
        }
        return best
    }

    /// Whether the client may have this address.
    func isAvailable(_ index: Int, to client: DHCPClient, now: UInt64) -> Bool {
        let reservation = entries[index].reservation
        guard reservation.rawValue == 0 || reservation == client.mac else { return false }
        switch state(index, now: now) {
        case .free: return true
        case .quarantined: return false
        case .offered, .bound: return reservation == client.mac || isHolder(client, of: index)
        }
    }

    func isHolder(_ client: DHCPClient, of index: Int) -> Bool { matchRank(client, index) > 0 }

    /// The address to offer (RFC 2131 §4.3.1), in order of preference: the reservation, the current or former address,
    /// the requested address, the lowest never used, the least recently used, the one quarantined for longest.
    func choose(for client: DHCPClient, requested: IPv4Address, now: UInt64) -> Int? {
        if let reserved = reservation(of: client.mac), isAvailable(reserved, to: client, now: now) { return reserved }
        if let own = find(client, now: now), isAvailable(own, to: client, now: now) { return own }
        if let wanted = index(of: requested), isAvailable(wanted, to: client, now: now) { return wanted }
        var best: Int?
        for index in 0..<capacity where !isReserved(index) && state(index, now: now) == .free {
            if entries[index].expiry == 0 { return index }
            if best.map({ entries[index].expiry < entries[$0].expiry }) ?? true { best = index }
        }
        return best
            ?? longestResting(now: now) { !isReserved($0) || entries[$0].reservation == client.mac }
    }

    private func longestResting(now: UInt64, _ isWanted: (Int) -> Bool = { _ in true }) -> Int? {
        var longest: Int?
        for index in 0..<capacity where state(index, now: now) == .quarantined && isWanted(index) {
            if longest.map({ entries[index].expiry < entries[$0].expiry }) ?? true { longest = index }
        }
        return longest
    }

    /// The address reserved for this ethernet address.
    func reservation(of mac: MACAddress) -> Int? {
        for index in 0..<capacity where entries[index].reservation == mac { return index }
        return nil
    }

    // MARK: Changing

    /// Reserves an address for one ethernet address, whose earlier reservation ends. `false` if another client has
    /// the address reserved, holds it, or has declined it.
    mutating func reserve(_ index: Int, for mac: MACAddress, hostName: DHCPText, now: UInt64) -> Bool {
        precondition(mac.rawValue != 0, "zero is not the ethernet address of a client")
        let present = entries[index].reservation
        guard present.rawValue == 0 || present == mac else { return false }
        guard state(index, now: now) == .free || entries[index].mac == mac else { return false }
        if let other = reservation(of: mac), other != index { entries[other].reservation = MACAddress(rawValue: 0) }
        entries[index].reservation = mac
        if entries[index].mac != mac {
            entries[index].mac = mac
            entries[index].identifierLength = 0
            texts[index] = Texts()
        }
        if !hostName.isEmpty { texts[index].hostName = hostName }
        return true
    }

    /// Records an offer, unless the client already has a lease for the address.
    mutating func offer(_ index: Int, to client: DHCPClient, until: UInt64, now: UInt64) {
        guard state(index, now: now) != .bound else { return }
        assign(index, to: client)
        entries[index].state = .offered
        entries[index].expiry = until
    }

    /// Leases the address to the client, and forgets the client at other addresses: a client has one address.
    mutating func bind(_ index: Int, to client: DHCPClient, hostName: DHCPText?, until: UInt64) {
        for other in 0..<capacity
        where other != index && entries[other].state != .quarantined && isHolder(client, of: other) {
            forget(other)
        }
        assign(index, to: client)
        if let hostName { texts[index].hostName = hostName }
        entries[index].state = .bound
        entries[index].expiry = until
    }

    /// Makes the address free, keeping the client's identity.
    mutating func release(_ index: Int, now: UInt64) {
        entries[index].state = .free
        entries[index].expiry = max(now, 1)
    }

    /// Puts the address in quarantine.
    mutating func quarantine(_ index: Int, until: UInt64, now: UInt64) {
        var resting = 0
        for other in 0..<capacity where state(other, now: now) == .quarantined { resting += 1 }
        if resting >= Self.restingLimit, let longest = longestResting(now: now) { release(longest, now: now) }
        entries[index].state = .quarantined
        entries[index].expiry = until
    }

    private mutating func forget(_ index: Int) {
        let reservation = entries[index].reservation
        let lastUse = entries[index].expiry
        entries[index] = Entry(expiry: lastUse, reservation: reservation)
        texts[index] = Texts()
    }

    private mutating func assign(_ index: Int, to client: DHCPClient) {
        if !isHolder(client, of: index) { texts[index].hostName = DHCPText() }
        entries[index].mac = client.mac
        entries[index].identifierLength = client.identifier.count
        texts[index].identifier = client.identifier
    }

    /// 2 for an equal identifier, 1 for an equal ethernet address, 0 otherwise.
    private func matchRank(_ client: DHCPClient, _ index: Int) -> Int {
        let length = entries[index].identifierLength
        if length > 0, length == client.identifier.count, texts[index].identifier == client.identifier { return 2 }
        return entries[index].mac == client.mac && client.mac.rawValue != 0 ? 1 : 0
    }
}
