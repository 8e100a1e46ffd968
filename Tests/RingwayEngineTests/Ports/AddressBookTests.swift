import RingwayModel
import RingwayStack
import Testing

@testable import RingwayEngine

@Suite("What is known of a guest's addresses")
struct AddressBookTests {
    private static let second: UInt64 = 1_000_000_000
    private static let ipv4 = IPAddress(IPv4Address(192, 168, 127, 2))
    private static let prefix: UInt64 = 0xFD00_0001_0002_0003
    private static let ipv6 = IPAddress(high: prefix, low: 0x5055_C0FF_FEA8_7F02)
    private static let lasting = IPAddress(high: prefix, low: 0x1111)
    private static let temporary = IPAddress(high: prefix, low: 0x2222)

    private let plan: NetworkPlan
    private var book: AddressBook

    init() throws {
        let block = try #require(CIDRBlock("192.168.127.0/24"))
        plan = try #require(
            NetworkPlan(
                ipv4: block, ipv6Prefix: IPv6Address(high: Self.prefix, low: 0),
                mtu: 1_500))
        book = AddressBook(
            Stack.Configuration(
                plan: plan, limits: Limits(), policy: DestinationPolicy(), guestMAC: MACAddress(rawValue: 2),
                guestIPv4: Self.ipv4.ipv4, guestIPv6: Self.ipv6.ipv6, shard: 0, shards: 1, secret: 1))
    }

    @Test func `leads to what the guest should have while nothing is known, and doubts IPv6`() {
        #expect(book.target(ipv4: true, now: 1) == Self.ipv4)
        #expect(book.target(ipv4: false, now: 1) == Self.ipv6)
        #expect(book.trust(Self.ipv4, now: 1) == .certain)
        #expect(book.trust(Self.ipv6, now: 1) == .doubtful)
    }

    @Test mutating func `leads to the other family when an address does not answer, and tries it again later`() {
        #expect(book.silent(Self.ipv6, now: 1) == true)
        #expect(book.target(ipv4: false, now: 2) == Self.ipv4)
        #expect(book.trust(Self.ipv4, now: 2) == .certain)
        #expect(book.target(ipv4: false, now: 2 + AddressBook.silence) == Self.ipv6)
    }

    @Test mutating func `trusts what the guest shows, though IPv6 may be turned off at any time`() {
        #expect(book.shown(Self.ipv6, now: Self.second) == true)
        #expect(book.shown(Self.ipv6, now: Self.second) == false, "is no news")
        #expect(book.trust(Self.ipv6, now: 2 * Self.second) == .likely)
        #expect(book.trust(Self.ipv6, now: 60 * Self.second) == .likely)
        // With IPv4 only, a slow guest is more likely than none.
        #expect(book.trust(Self.ipv4, now: 2 * Self.second) == .doubtful)
    }

    @Test mutating func `takes a link-local address made of the ethernet address for IPv6 at work`() {
        #expect(book.shown(IPAddress(high: 0xFE80 << 48, low: 0x9999), now: 1) == false)
        #expect(book.shown(IPAddress(high: 0xFE80 << 48, low: Self.ipv6.low), now: 1) == true)
        #expect(book.trust(Self.ipv6, now: 2) == .likely)
    }

    @Test mutating func `leads to the address that a guest has chosen, the lasting one before temporary ones`() {
        #expect(book.shown(Self.lasting, now: 1) == true)
        #expect(book.shown(Self.temporary, now: 2) == true)
        #expect(book.target(ipv4: false, now: 3) == Self.lasting)
        #expect(book.silent(Self.lasting, now: 4) == true)
        #expect(book.target(ipv4: false, now: 5) == Self.temporary)
        #expect(book.target(ipv4: true, now: 5) == Self.ipv4)
    }

    @Test mutating func `leads to IPv6 a client of IPv4 where that is all there is`() {
        _ = book.shown(Self.lasting, now: 1)
        #expect(book.silent(Self.ipv4, now: 2) == true)
        #expect(book.target(ipv4: true, now: 3) == Self.lasting)
    }

    @Test mutating func `leads to what it should have when nothing answers`() {
        _ = book.silent(Self.ipv4, now: 1)
        _ = book.silent(Self.ipv6, now: 1)
        #expect(book.target(ipv4: true, now: 2) == Self.ipv4)
        #expect(book.target(ipv4: false, now: 2) == Self.ipv6)
        #expect(book.trust(Self.ipv6, now: 2) == .certain, "there is no other way")
    }

    @Test mutating func `is told no address that is not a guest's, and is bounded`() {
        for address in [IPAddress(plan.hostIPv4), IPAddress(plan.gatewayIPv6), IPAddress(plan.hostIPv6)] {
            #expect(book.shown(address, now: 1) == false)
        }
        #expect(book.shown(IPAddress(high: 0x2001 << 48, low: 5), now: 1) == false)
        for number in 1...1_000 { _ = book.shown(IPAddress(high: Self.prefix, low: 0x1_0000 + UInt64(number)), now: 1) }
        #expect(book.target(ipv4: false, now: 2).low > 0x1_0000)
        #expect(MemoryLayout.size(ofValue: book) < 200)
    }

    @Test mutating func `asks for an address before it is taken for silent`() {
        #expect(book.sending(to: Self.ipv6, now: Self.second) == .ask)
        #expect(book.sending(to: Self.ipv6, now: Self.second + 1) == .none)
        #expect(book.sending(to: Self.ipv6, now: 3 * Self.second) == .unanswered)
        _ = book.shown(Self.ipv6, now: 3 * Self.second)
        #expect(book.sending(to: Self.ipv6, now: 4 * Self.second) == .none)
        #expect(book.sending(to: Self.ipv6, now: 60 * Self.second) == .ask)
    }
}
