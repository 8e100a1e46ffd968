internal import RingwayModel

/// The addresses and names of the guests on one network.
///
/// An ethernet address keeps its IPv4 address for the life of the network, even while its guest is detached; if all
/// addresses are assigned, that of the guest detached longest ago is reused. An IPv6 address, which guests choose
/// themselves, belongs to the first guest that sends from it. But a SLAAC address belongs to the machine from whose
/// ethernet address it is formed, and the address of a `GuestIdentity` to the machine of that identity, even if
/// another guest used the address earlier.
struct AddressRegistry {
    /// A guest's address and name.
    struct Lease: Equatable {
        let ipv4: IPv4Address
        var name: String
        /// Whether the name was claimed by the guest's agent.
        var claimsName = false
        /// The reserved link that the guest used last; `nil` if its last link was open to every guest.
        var link: LinkAddress?
        /// Whether a static lease reserves the address, which is then never assigned to another guest.
        var isStatic: Bool
        /// Whether the guest is attached.
        var isPresent = false
        /// When the guest was last attached or detached, as a sequence number.
        var lastUse: UInt64
    }

    /// The guest that sends from an IPv6 address.
    private struct Claim {
        let guest: UInt32
        /// The number of the guest's parts (one for each queue) that have claimed the address and not released it. As
        /// long as one such part accepts frames from the address, no other guest may have it.
        var parts = 1
    }

    /// The most leases. Beyond it the lease of the guest detached longest ago is dropped.
    private static var mostLeases: Int { 4_096 }

    private let plan: NetworkPlan
    private(set) var leases: [MACAddress: Lease] = [:]
    private var holders: [IPv4Address: MACAddress] = [:]
    private var settled: [MACAddress: StaticLease] = [:]
    private var claims: [IPv6Address: Claim] = [:]
    /// IPv6 addresses of guests that were attached with a `GuestIdentity`.
    private var given: [IPv6Address: MACAddress] = [:]
    private var clock: UInt64 = 0
    /// Addresses declined by guests (DHCPDECLINE), oldest first; reused only if no other address is left.
    private var resting: [IPv4Address] = []
    private static var mostResting: Int { 16 }

    /// A registry with the configured leases only.
    init(plan: NetworkPlan, leases: [StaticLease]) throws(VirtualNetwork.Failure) {
        self.plan = plan
        try settle(leases)
    }

    // MARK: IPv4

    /// Replaces the static leases; on an error, none is replaced. An attached guest keeps its address.
    mutating func settle(_ leases: [StaticLease]) throws(VirtualNetwork.Failure) {
        var addresses: [IPv4Address: MACAddress] = [:]
        var names: [String: MACAddress] = [:]
        for lease in leases {
            if let address = lease.ipv4 {
                guard plan.isGuest(address) else {
                    throw VirtualNetwork.Failure(
                        "\(address) cannot be kept for \(lease.mac): guests have \(plan.firstGuestIPv4) to "
                            + "\(plan.lastGuestIPv4)")
                }
                if let other = addresses.updateValue(lease.mac, forKey: address), other != lease.mac {
                    throw VirtualNetwork.Failure("\(address) is kept for both \(other) and \(lease.mac)")
                }
            }
            if let name = lease.name {
                guard GuestName.isValid(name) else { throw VirtualNetwork.Failure("\"\(name)\" is no guest's name") }
                if let other = names.updateValue(lease.mac, forKey: name), other != lease.mac {
                    throw VirtualNetwork.Failure("\"\(name)\" names both \(other) and \(lease.mac)")
                }
            }
        }
        guard Set(leases.map(\.mac)).count == leases.count else {
            throw VirtualNetwork.Failure("an ethernet address has two leases")
        }
        settled = Dictionary(uniqueKeysWithValues: leases.map { ($0.mac, $0) })
        applySettled()
    }

    private mutating func applySettled() {
        for (mac, lease) in leases where !lease.isPresent {
            let address = settled[mac]?.ipv4
            if lease.isStatic || (address != nil && address != lease.ipv4) { dropLease(of: mac) }
        }
        for lease in settled.values {
            guard let address = lease.ipv4 else { continue }
            if let holder = holders[address], holder != lease.mac {
                // An attached guest keeps the address; the lease applies once it is detached.
                if leases[holder]?.isPresent == true { continue }
                forget(holder)
            }
            if leases[lease.mac] == nil { give(address, to: lease.mac) }
        }
        // A machine keeps the address of its `GuestIdentity` as long as it has a lease, even if that is a new one.
        given = given.filter { leases[$0.value] != nil }
        for mac in leases.keys {
            guard let lease = leases[mac] else { continue }
            leases[mac]?.isStatic = settled[mac]?.ipv4 == lease.ipv4
            if let name = settled[mac]?.name {
                leases[mac]?.name = name
                leases[mac]?.claimsName = false
            }
        }
    }

    // MARK: Static leases

    /// The machine whose static lease has the name.
    func settledMAC(named name: String) -> MACAddress? { settled.values.first { $0.name == name }?.mac }
    func settledName(of mac: MACAddress) -> String? { settled[mac]?.name }
    /// The only link that a machine may use, according to its lease.
    func settledLink(of mac: MACAddress) -> LinkAddress? { settled[mac]?.link }

    // MARK: Attaching

    /// Assigns or renews the lease of a new guest.
    ///
    /// - Parameter preferred: the address that the guest prefers; assigned if it is free.
    mutating func admit(_ mac: MACAddress, preferring preferred: IPv4Address? = nil) throws(VirtualNetwork.Failure)
        -> Lease
    {
        if leases[mac] == nil {
            if leases.count >= Self.mostLeases { _ = forgetIdlest() }
            guard
                let address = freeAddress(for: mac, preferring: preferred)
                    ?? (forgetIdlest() ? freeAddress(for: mac, preferring: preferred) : nil)
            else {
                throw VirtualNetwork.Failure(
                    "no address is left for \(mac) in \(plan.firstGuestIPv4) to \(plan.lastGuestIPv4)", .exhausted)
            }
            give(address, to: mac)
        }
        clock += 1
        leases[mac]?.isPresent = true
        leases[mac]?.lastUse = clock
        guard let lease = leases[mac] else { throw VirtualNetwork.Failure("no lease for \(mac)") }
        return lease
    }

    /// Why a guest cannot have its preferred address; `nil` if it can.
    func refusal(of preferred: IPv4Address, for mac: MACAddress) -> String? {
        guard plan.isGuest(preferred) else {
            return "\(preferred) is not one of the guests' addresses, \(plan.firstGuestIPv4) to \(plan.lastGuestIPv4)"
        }
        if let lease = leases[mac], lease.ipv4 != preferred {
            return "\(lease.ipv4) is this guest's address, not \(preferred)"
        }
        if let holder = holders[preferred], holder != mac { return "\(preferred) is another guest's address" }
        return nil
    }

    /// Records the reserved link that the guest uses; `nil` for a link open to every guest.
    mutating func setLink(_ link: LinkAddress?, of mac: MACAddress) { leases[mac]?.link = link }

    /// Assigns a guest the name of its link. Other guests lose the name if they only claimed it, or if they are
    /// detached; throws if another guest keeps it.
    mutating func assignName(_ name: String, to mac: MACAddress) throws(VirtualNetwork.Failure) {
        for (other, lease) in leases where other != mac && lease.name == name {
            guard settled[other]?.name == nil, lease.claimsName || !lease.isPresent else { break }
            leases[other]?.name = Self.name(of: lease.ipv4, in: plan)
            leases[other]?.claimsName = false
        }
        try rename(mac, name)
    }

    /// Renames a guest.
    ///
    /// - Parameter isClaimed: whether the guest's agent claims the name.
    mutating func rename(
        _ mac: MACAddress, _ name: String, isClaimed: Bool = false
    ) throws(VirtualNetwork.Failure) {
        // An assigned name stays assigned when the agent claims it as well.
        if isClaimed, let lease = leases[mac], lease.name == name.lowercased(), !lease.claimsName { return }
        guard GuestName.isValid(name) else { throw VirtualNetwork.Failure("\"\(name)\" is no guest's name") }
        let name = name.lowercased()
        guard !leases.contains(where: { $0.key != mac && $0.value.name == name }),
            !settled.contains(where: { $0.key != mac && $0.value.name == name })
        else { throw VirtualNetwork.Failure("another guest has the name \"\(name)\"") }
        // The format `guest-NUMBER` is reserved for guests without a name of their own, which may be attached later.
        let number = name.dropFirst("guest-".count)
        guard !name.hasPrefix("guest-") || number.contains(where: { !$0.isNumber }) || leases[mac]?.name == name else {
            throw VirtualNetwork.Failure("the name \"\(name)\" stands for the guest of an address")
        }
        leases[mac]?.name = name
        leases[mac]?.claimsName = isClaimed
    }

    /// Assigns another address to a guest that declined `address`; `nil` if that is not the guest's address any more,
    /// or if no other address is left.
    mutating func replace(_ address: IPv4Address, of mac: MACAddress) -> Lease? {
        guard let former = leases[mac], former.ipv4 == address else { return nil }
        guard let other = freeAddress(for: mac, preferring: nil, besides: address) else { return nil }
        resting.removeAll { $0 == address || $0 == other }
        resting.append(address)
        if resting.count > Self.mostResting { resting.removeFirst() }
        dropLease(of: mac)
        give(other, to: mac)
        leases[mac]?.isPresent = former.isPresent
        // A name that does not derive from the address is kept.
        if former.name != Self.name(of: address, in: plan) {
            leases[mac]?.name = former.name
            leases[mac]?.claimsName = former.claimsName
        }
        leases[mac]?.link = former.link
        return leases[mac]
    }

    /// Records a guest whose addresses were chosen by the caller.
    mutating func admit(_ identity: GuestIdentity) {
        if let holder = holders[identity.ipv4], holder != identity.mac { forget(holder) }
        if let lease = leases[identity.mac], lease.ipv4 != identity.ipv4 { forget(identity.mac) }
        if leases[identity.mac] == nil { give(identity.ipv4, to: identity.mac) }
        given = given.filter { $0.value != identity.mac }
        given[identity.ipv6] = identity.mac
        clock += 1
        leases[identity.mac]?.isPresent = true
        leases[identity.mac]?.lastUse = clock
    }

    /// Adds a lease of an earlier run; called in the order of last use. The lease is ignored if it is invalid on this
    /// network, contradicts a configured or known lease, or the table is full.
    mutating func remember(_ lease: StaticLease) {
        guard let address = lease.ipv4, plan.isGuest(address), holders[address] == nil, leases[lease.mac] == nil,
            lease.mac.rawValue != 0, !lease.mac.isMulticast, lease.mac != plan.gatewayMAC,
            settled[lease.mac]?.ipv4 == nil, leases.count < Self.mostLeases
        else { return }
        clock += 1
        give(address, to: lease.mac)
        leases[lease.mac]?.link = lease.link
        // A configured name takes precedence. Otherwise the guest gets its former name back. The name counts as claimed
        // by the guest if no reserved link assigned it and it does not derive from the address.
        if settled[lease.mac]?.name == nil, let name = lease.name {
            try? rename(lease.mac, name, isClaimed: lease.link == nil && name != Self.name(of: address, in: plan))
        }
    }

    /// Leases that are not configured, in the order in which their guests were last attached or detached.
    var remembered: [StaticLease] {
        leases.filter { !$0.value.isStatic && $0.value.lastUse > 0 }.sorted { $0.value.lastUse < $1.value.lastUse }
            .map { StaticLease(mac: $0.key, ipv4: $0.value.ipv4, name: $0.value.name, link: $0.value.link) }
    }

    /// Why a guest may not send from an address; for an IPv4 address also the remedy.
    func refusal(of address: IPAddress, to guest: Guest?) -> String {
        guard address.isIPv4 else { return "it is another guest's, or beyond --max-addresses" }
        if let holder = holders[address.ipv4], holder != guest?.mac {
            return "it is that of \(leases[holder]?.name ?? "another guest") (\(holder)); renew the guest's DHCP lease"
        }
        guard plan.isGuest(address.ipv4) else {
            return "guests have \(plan.firstGuestIPv4) to \(plan.lastGuestIPv4); configure the guest by DHCP"
        }
        return "it was never given to the guest; renew its DHCP lease, or keep the address for it in \"leases\""
    }

    /// A guest was detached; its lease remains.
    mutating func leave(_ mac: MACAddress, guest: UInt32) {
        clock += 1
        leases[mac]?.isPresent = false
        leases[mac]?.lastUse = clock
        claims = claims.filter { $0.value.guest != guest }
        applySettled()
    }

    private func freeAddress(
        for mac: MACAddress, preferring preferred: IPv4Address?, besides declined: IPv4Address? = nil
    ) -> IPv4Address? {
        func isFree(_ address: IPv4Address) -> Bool { holders[address] == nil && address != declined }
        if let address = settled[mac]?.ipv4, isFree(address) { return address }
        if let preferred, plan.isGuest(preferred), isFree(preferred) { return preferred }
        for value in plan.firstGuestIPv4.rawValue...plan.lastGuestIPv4.rawValue {
            let address = IPv4Address(rawValue: value)
            if isFree(address), !resting.contains(address) { return address }
        }
        return resting.first(where: isFree)
    }

    private static func name(of address: IPv4Address, in plan: NetworkPlan) -> String {
        "guest-\(address.rawValue - plan.ipv4Network.rawValue)"
    }

    /// Frees the address of the guest detached longest ago. Returns false if every guest is attached or has a static
    /// lease.
    private mutating func forgetIdlest() -> Bool {
        let idle = leases.filter { !$0.value.isPresent && !$0.value.isStatic }
        guard let idlest = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return false }
        forget(idlest.key)
        return true
    }

    private mutating func give(_ address: IPv4Address, to mac: MACAddress) {
        holders[address] = mac
        let name = settled[mac]?.name ?? Self.name(of: address, in: plan)
        leases[mac] = Lease(
            ipv4: address, name: name, isStatic: settled[mac]?.ipv4 == address, lastUse: clock)
    }

    private mutating func forget(_ mac: MACAddress) {
        dropLease(of: mac)
        given = given.filter { $0.value != mac }
    }

    /// Removes a machine's lease, but not the IPv6 address of its `GuestIdentity`.
    private mutating func dropLease(of mac: MACAddress) {
        if let lease = leases.removeValue(forKey: mac) { holders[lease.ipv4] = nil }
    }

    // MARK: IPv6

    /// The SLAAC address of an ethernet address.
    func ipv6(of mac: MACAddress) -> IPv6Address {
        IPv6Address(prefix: plan.ipv6Prefix, interfaceIdentifierFrom: mac)
    }

    /// Assigns an IPv6 address to a part of the guest, unless the address belongs to another guest. Returns whether
    /// the address is this guest's.
    mutating func claim(_ address: IPv6Address, by guest: UInt32, mac: MACAddress) -> Bool {
        if let claim = claims[address] {
            guard claim.guest == guest else { return false }
            claims[address]?.parts += 1
            return true
        }
        // A SLAAC address, or that of a `GuestIdentity`, belongs to its machine even while that machine is detached.
        if let owner = owner(of: address), owner != mac { return false }
        claims[address] = Claim(guest: guest)
        return true
    }

    /// The machine to which an address belongs: the machine of the `GuestIdentity` with this address, or the one from
    /// whose ethernet address the interface identifier is formed (SLAAC). `nil` if the network knows no such machine.
    private func owner(of address: IPv6Address) -> MACAddress? {
        if let owner = given[address] { return owner }
        guard let mac = address.embeddedMAC, leases[mac] != nil || settled[mac] != nil else { return nil }
        return mac
    }

    /// Takes a new guest's own addresses from other guests: its SLAAC address and the address of its `GuestIdentity`.
    ///
    /// - Returns: the addresses that each guest lost.
    mutating func evictClaims(on mac: MACAddress, by guest: UInt32) -> [UInt32: [IPv6Address]] {
        var evicted: [UInt32: [IPv6Address]] = [:]
        for (address, claim) in claims where claim.guest != guest && owner(of: address) == mac {
            evicted[claim.guest, default: []].append(address)
        }
        for address in evicted.values.joined() { claims[address] = nil }
        return evicted
    }

    /// A part of the guest no longer admits an address that it has claimed. With the last part the claim ends.
    mutating func release(_ address: IPv6Address, of guest: UInt32) {
        guard let claim = claims[address], claim.guest == guest else { return }
        if claim.parts > 1 { claims[address]?.parts -= 1 } else { claims[address] = nil }
    }
}
