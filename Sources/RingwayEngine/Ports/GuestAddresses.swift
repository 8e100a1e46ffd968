internal import RingwayModel
internal import RingwayStack
internal import Synchronization

/// The addresses of the guest to which clients of published ports can be forwarded. The guest proves that it has an
/// address by ARP, neighbour discovery, its own frames, or its reply to a connection attempt.
///
/// There is one expected address per family: for IPv4 the one assigned by DHCP, for IPv6 the SLAAC address. Guests
/// may choose other addresses, or have one family only. This type has no lock; `GuestAddresses` adds one.
struct AddressBook {
    /// Nanoseconds for which an address that did not answer is not tried, unless the guest proves to have it.
    static var silence: UInt64 { 60_000_000_000 }
    /// Timeout in nanoseconds of an ARP or NDP request, and the time for which a proved address is not checked again.
    static var answerTime: UInt64 { 1_000_000_000 }
    static var certainty: UInt64 { 10_000_000_000 }
    /// The most entries, including the two expected addresses.
    private static var most: Int { 8 }

    private struct Entry {
        let address: IPAddress
        var isShown = false
        /// When the guest last proved to have the address.
        var shownAt: UInt64 = 0
        /// The address is not tried until this time; zero if it may be tried.
        var silentUntil: UInt64 = 0
        /// The time of an unanswered ARP or NDP request; zero if there is none.
        var requestedAt: UInt64 = 0
    }

    private let plan: NetworkPlan
    /// The expected address of each family, IPv4 first, then other addresses in the order in which they were first
    /// seen. `choice` takes the first that is suitable, so it prefers a guest's stable address to its temporary ones
    /// (RFC 8981).
    private var entries: [Entry]

    init(_ configuration: Stack.Configuration) {
        plan = configuration.plan
        entries = [
            Entry(address: IPAddress(configuration.guestIPv4)), Entry(address: IPAddress(configuration.guestIPv6)),
        ]
    }

    // MARK: Proofs of addresses

    /// Records that the guest has proved to have the address. Returns true if that was not known before.
    mutating func shown(_ address: IPAddress, now: UInt64) -> Bool {
        if address.isLinkLocal {
            // A link-local address with the interface identifier of the expected address shows that the guest forms its
            // addresses from that identifier (SLAAC), so it also has the expected address.
            return !address.isIPv4 && address.low == entries[1].address.low && shown(entries[1].address, now: now)
        }
        guard plan.isGuest(address) else { return false }
        if let index = entries.firstIndex(where: { $0.address == address }) {
            let isNews = !entries[index].isShown
            entries[index].isShown = true
            entries[index].shownAt = now
            entries[index].silentUntil = 0
            entries[index].requestedAt = 0
            return isNews
        }
        if entries.count == Self.most { entries.remove(at: 2) }
        entries.append(Entry(address: address, isShown: true, shownAt: now))
        return true
    }

    /// Records that the address does not answer. Returns true if that was not known before.
    mutating func silent(_ address: IPAddress, now: UInt64) -> Bool {
        guard let index = entries.firstIndex(where: { $0.address == address }) else { return false }
        if index >= 2 {
            entries.remove(at: index)
            return true
        }
        let isNews = entries[index].isShown || entries[index].silentUntil == 0
        entries[index].isShown = false
        entries[index].silentUntil = now &+ Self.silence
        entries[index].requestedAt = 0
        return isNews
    }

    /// Sets the guest's expected IPv4 address.
    mutating func expect(_ address: IPv4Address) {
        guard entries[0].address != IPAddress(address) else { return }
        entries[0] = Entry(address: IPAddress(address))
    }

    /// Called before a datagram is sent to an address of the guest. UDP does not show whether the guest has the
    /// address, so an address that the guest has not proved recently is checked by ARP or NDP. Returns `ask` if the
    /// caller must send an ARP or NDP request, and `unanswered` if the guest has not answered the last one in time.
    mutating func sending(to address: IPAddress, now: UInt64) -> Question {
        guard let index = entries.firstIndex(where: { $0.address == address }), isDoubtful(entries[index], now: now)
        else { return .none }
        if entries[index].requestedAt == 0 {
            entries[index].requestedAt = max(1, now)
            return .ask
        }
        return now &- entries[index].requestedAt > Self.answerTime ? .unanswered : .none
    }

    enum Question { case none, ask, unanswered }

    // MARK: Choosing a target

    /// The address to which a client of a family is forwarded: the best address of that family (`choice`). If no
    /// address of the family may be tried, it is the best address of the other family. If no address at all may be
    /// tried, it is the expected address of the client's family.
    func target(ipv4: Bool, now: UInt64) -> IPAddress {
        let own = choice(ipv4: ipv4, now: now)
        if let own, own.isShown { return own.address }
        let other = choice(ipv4: !ipv4, now: now)
        return (own ?? other)?.address ?? entries[ipv4 ? 0 : 1].address
    }

    /// How likely it is that the guest has the address. With `certain` the stack does not abandon a connection to the
    /// address early. The result is therefore `certain`, too, if no address of the other family could be tried
    /// instead, or if this address is unknown or known not to answer.
    func trust(_ address: IPAddress, now: UInt64) -> GuestTrust {
        guard let entry = entries.first(where: { $0.address == address }), entry.silentUntil <= now,
            let other = choice(ipv4: !address.isIPv4, now: now)
        else { return .certain }
        // An IPv4 address is abandoned only if the guest has proved an IPv6 address, but not this one. Otherwise the
        // guest is more likely slow to answer than without IPv4.
        if address.isIPv4 { return other.isShown && !entry.isShown ? .doubtful : .certain }
        // `likely` rather than `certain`: the guest may have disabled IPv6 since it proved the address.
        return entry.isShown ? .likely : .doubtful
    }

    private func isDoubtful(_ entry: Entry, now: UInt64) -> Bool {
        !entry.isShown || now &- entry.shownAt > Self.certainty
    }

    /// The best address of a family: the first that the guest has proved to have, or else the first that may be tried
    /// (`silentUntil`); `nil` if there is none.
    private func choice(ipv4: Bool, now: UInt64) -> Entry? {
        let family = entries.filter { $0.address.isIPv4 == ipv4 }
        return family.first { $0.isShown } ?? family.first { $0.silentUntil <= now }
    }
}

/// The address book of a guest, shared by the guest's shards. It is read for each client of a published port, and
/// changes when the guest proves to have an address, does not answer at one, or gets another IPv4 address.
final class GuestAddresses: Sendable {
    private let book: Mutex<AddressBook>

    init(_ configuration: Stack.Configuration) { book = Mutex(AddressBook(configuration)) }

    func shown(_ address: IPAddress, now: UInt64) -> Bool { book.withLock { $0.shown(address, now: now) } }
    func expect(_ address: IPv4Address) { book.withLock { $0.expect(address) } }
    func silent(_ address: IPAddress, now: UInt64) -> Bool { book.withLock { $0.silent(address, now: now) } }
    func sending(to address: IPAddress, now: UInt64) -> AddressBook.Question {
        book.withLock { $0.sending(to: address, now: now) }
    }
    func target(ipv4: Bool, now: UInt64) -> IPAddress { book.withLock { $0.target(ipv4: ipv4, now: now) } }
    func trust(_ address: IPAddress, now: UInt64) -> GuestTrust { book.withLock { $0.trust(address, now: now) } }
}
