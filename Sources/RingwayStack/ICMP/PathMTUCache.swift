internal import RingwayModel

/// MTUs of paths behind the guest's interface, as routers inside the guest report them (RFC 1191, RFC 8201): a container's
/// bridge, a VPN. By the address the packets are for; forgotten after ten minutes, so that a path that has grown is found
/// out about (RFC 8201 §4).
///
/// A handful of addresses, allocated once: of more the one that was learned first is forgotten.
struct PathMTUCache: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var address = IPAddress(high: 0, low: 0)
        var mtu = 0
        var expiry: UInt64 = 0
    }

    static var capacity: Int { 16 }
    static var lifetime: UInt64 { 600 * 1_000_000_000 }
    /// No report makes datagrams smaller than this: what Linux takes for the least of IPv4 (`net.ipv4.route.min_pmtu`), and
    /// the least that IPv6 allows. A router with a smaller link cuts the fragments again.
    private static func least(for address: IPAddress) -> Int { address.isIPv4 ? 552 : NetworkPlan.minimumMTU }

    private let entries: UnsafeMutablePointer<Entry>
    private(set) var count = 0
    let linkMTU: Int

    init(linkMTU: Int) {
        self.linkMTU = linkMTU
        entries = .allocate(capacity: Self.capacity)
        entries.initialize(repeating: Entry(), count: Self.capacity)
    }

    deinit { entries.deallocate() }

    /// Bytes of an IP packet that may go to the address.
    @inline(__always)
    mutating func mtu(toward address: IPAddress, now: UInt64) -> Int {
        count == 0 ? linkMTU : known(address, now: now)
    }

    @inline(never)
    private mutating func known(_ address: IPAddress, now: UInt64) -> Int {
        for index in 0..<count where entries[index].address == address {
            if entries[index].expiry > now { return entries[index].mtu }
            count -= 1
            entries[index] = entries[count]
            break
        }
        return linkMTU
    }

    /// Takes a router's word. One that says nothing useful (zero, or what no link may have) means the least.
    mutating func note(_ mtu: Int, toward address: IPAddress, now: UInt64) {
        guard mtu < linkMTU else { return }
        let entry = Entry(
            address: address, mtu: min(linkMTU, max(mtu, Self.least(for: address))), expiry: now &+ Self.lifetime)
        for index in 0..<count where entries[index].address == address {
            // A larger one must wait until the smaller one is forgotten: errors may overtake each other.
            if entries[index].expiry <= now || entry.mtu <= entries[index].mtu { entries[index] = entry }
            return
        }
        if count < Self.capacity {
            entries[count] = entry
            count += 1
        } else {
            var oldest = 0
            for index in 1..<count where entries[index].expiry < entries[oldest].expiry { oldest = index }
            entries[oldest] = entry
        }
    }
}
