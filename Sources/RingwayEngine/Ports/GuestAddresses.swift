internal import RingwayModel
internal import RingwayStack
internal import Synchronization

/// Which of the guest's addresses published ports lead to, as far as it has shown that it has them: by ARP, by neighbour
/// discovery, by frames of its own, by an answer to a connection.
///
/// Of each family there is one address that it should have: what DHCP gives it, and what SLAAC makes of its ethernet
/// address. Guests choose others, or have one family alone. A value without side effects; shards share it by
/// `GuestAddresses`.
struct AddressBook {
    /// Nanoseconds for which an address that did not answer is not tried, unless it shows itself.
    static var silence: UInt64 { 60_000_000_000 }
    /// Nanoseconds that an answer to the question for an address may take, and those for which an address that has shown
    /// itself is not doubted.
    static var answerTime: UInt64 { 1_000_000_000 }
    static var certainty: UInt64 { 10_000_000_000 }
    /// Other addresses that are remembered, of both families together.
    private static var most: Int { 8 }

    private struct Entry {
        let address: IPAddress
        var isShown = false
        /// When it has shown itself last.
        var shownAt: UInt64 = 0
        /// Until when it is not tried; zero when it may be.
        var silentUntil: UInt64 = 0
        /// When it was asked for and has not answered since; zero when it was not.
        var askedAt: UInt64 = 0
    }

    private let plan: NetworkPlan
    /// The address that the guest should have of each family, IPv4 first, and the others in the order in which they were
    /// shown first: the lasting one of a guest that makes itself temporary ones (RFC 8981) comes before those.
    private var entries: [Entry]

    init(_ configuration: Stack.Configuration) {
        plan = configuration.plan
        entries = [
            Entry(address: IPAddress(configuration.guestIPv4)), Entry(address: IPAddress(configuration.guestIPv6)),
        ]
    }

    // MARK: What the guest shows

    /// The guest has shown that it has the address; whether that is news.
    mutating func shown(_ address: IPAddress, now: UInt64) -> Bool {
        if address.isLinkLocal {
            // It makes its addresses of its ethernet address, and has IPv6.
            return !address.isIPv4 && address.low == entries[1].address.low && shown(entries[1].address, now: now)
        }
        guard plan.isGuest(address) else { return false }
        if let index = entries.firstIndex(where: { $0.address == address }) {
            let isNews = !entries[index].isShown
            entries[index].isShown = true
            entries[index].shownAt = now
            entries[index].silentUntil = 0
            entries[index].askedAt = 0
            return isNews
        }
        if entries.count == Self.most { entries.remove(at: 2) }
        entries.append(Entry(address: address, isShown: true, shownAt: now))
        return true
    }

    /// The address does not answer; whether that is news.
    mutating func silent(_ address: IPAddress, now: UInt64) -> Bool {
        guard let index = entries.firstIndex(where: { $0.address == address }) else { return false }
        if index >= 2 {
            entries.remove(at: index)
            return true
        }
        let isNews = entries[index].isShown || entries[index].silentUntil == 0
        entries[index].isShown = false
        entries[index].silentUntil = now &+ Self.silence
        entries[index].askedAt = 0
        return isNews
    }

    /// The guest should have another IPv4 address from now on.
    mutating func expect(_ address: IPv4Address) {
        guard entries[0].address != IPAddress(address) else { return }
        entries[0] = Entry(address: IPAddress(address))
    }

    /// Something is sent to an address that says nothing when it is not there. What is to be done before that.
    mutating func sending(to address: IPAddress, now: UInt64) -> Question {
        guard let index = entries.firstIndex(where: { $0.address == address }), isDoubtful(entries[index], now: now)
        else { return .none }
        if entries[index].askedAt == 0 {
            entries[index].askedAt = max(1, now)
            return .ask
        }
        return now &- entries[index].askedAt > Self.answerTime ? .unanswered : .none
    }

    enum Question { case none, ask, unanswered }

    // MARK: What follows

    /// Where a client of a family is led: to an address that the guest has shown, of the client's family if there is one.
    func target(ipv4: Bool, now: UInt64) -> IPAddress {
        let own = choice(ipv4: ipv4, now: now)
        if let own, own.isShown { return own.address }
        let other = choice(ipv4: !ipv4, now: now)
        return (own ?? other)?.address ?? entries[ipv4 ? 0 : 1].address
    }

    /// How much a client that is led to the address trusts in it, where there is another way if it does not answer.
    func trust(_ address: IPAddress, now: UInt64) -> GuestTrust {
        guard let entry = entries.first(where: { $0.address == address }), entry.silentUntil <= now,
            let other = choice(ipv4: !address.isIPv4, now: now)
        else { return .certain }
        // IPv4 without an answer is more likely a slow guest than one that has IPv6 alone.
        if address.isIPv4 { return other.isShown && !entry.isShown ? .doubtful : .certain }
        // IPv6 may have been turned off since.
        return entry.isShown ? .likely : .doubtful
    }

    private func isDoubtful(_ entry: Entry, now: UInt64) -> Bool {
        !entry.isShown || now &- entry.shownAt > Self.certainty
    }

    /// The best address of a family; `nil` when it is known that none answers.
    private func choice(ipv4: Bool, now: UInt64) -> Entry? {
        let family = entries.filter { $0.address.isIPv4 == ipv4 }
        return family.first { $0.isShown } ?? family.first { $0.silentUntil <= now }
    }
}

/// The address book of an engine, which its shards share: asked for each client of a published port, and written when
/// the guest shows something.
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
