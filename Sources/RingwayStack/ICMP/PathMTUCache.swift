internal import RingwayModel

/// Path MTUs to addresses of the guest, as reported by routers behind the guest (RFC 1191, RFC 8201), such as a
/// container's bridge or a VPN. Entries expire after ten minutes, so that an increased path MTU is noticed (RFC 8201
/// §4).
///
/// There are few entries, allocated once; if all are in use, the oldest is replaced.
struct PathMTUCache: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var address = IPAddress(high: 0, low: 0)
        var mtu = 0
        var expiry: UInt64 = 0
    }

    static var capacity: Int { 16 }
    static var lifetime: UInt64 { 600 * 1_000_000_000 }
    /// The smallest path MTU that is accepted: Linux's default minimum for IPv4 (`net.ipv4.route.min_pmtu`), and the
    /// IPv6 minimum. IPv4 fragments are sent without DF, so a router with a still smaller link fragments them again.
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

    /// The path MTU to the address; the link's MTU if no router has reported one.
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

    /// Records a reported MTU below the link's. An MTU below `least`, such as zero, is replaced by `least`.
    mutating func note(_ mtu: Int, toward address: IPAddress, now: UInt64) {
        guard mtu < linkMTU else { return }
        let entry = Entry(
            address: address, mtu: min(linkMTU, max(mtu, Self.least(for: address))), expiry: now &+ Self.lifetime)
        for index in 0..<count where entries[index].address == address {
            // A larger MTU replaces a smaller one only after the smaller one has expired: errors may be reordered.
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
