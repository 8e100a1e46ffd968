internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// Which of a guest's packets another guest may have.
enum NeighborVerdict: UInt8 {
    case passes
    /// A question to the gateway, which is no other guest's business: DHCP requests, router solicitations, group reports.
    case gatewayOnly
    /// What only the gateway may say: DHCP replies, router advertisements, redirects.
    case refused
    /// A fragment of such a packet or of neighbour discovery, or one whose first fragment has not been seen.
    case refusedFragment
}

/// Keeps from other guests what configures hosts, which only the gateway does: DHCP and DHCPv6 (RFC 7610), router
/// advertisements (RFC 6105) and redirects, whole or in fragments (RFC 7113), behind extension headers or not.
///
/// A pure value; one for each shard of the sender.
struct NeighborFilter {
    private var fragments: FragmentVerdicts

    /// - Parameter fragments: packets in fragments that are remembered at a time.
    init(fragments: Int) throws(MemoryFailure) { self.fragments = try FragmentVerdicts(capacity: fragments) }

    func deallocate() { fragments.deallocate() }

    /// Judges a frame that was parsed without fault.
    ///
    /// - Parameter frame: the ethernet frame, without virtio-net header.
    mutating func verdict(of summary: FrameSummary, in frame: UnsafeRawPointer) -> NeighborVerdict {
        switch summary.kind {
        case .arp, .tcp: return .passes
        case .udp, .icmp, .icmpv6, .otherProtocol:
            // The parser has found the whole header of each of these.
            let length = Int(summary.payloadOffset &- summary.transportOffset) &+ Int(summary.payloadLength)
            let packet = UnsafeRawBufferPointer(start: frame + Int(summary.transportOffset), count: length)
            return Self.verdict(of: summary.protocolNumber, packet, isIPv6: summary.isIPv6, isFragment: false)
        case .fragment: return fragmentVerdict(of: summary, in: frame)
        }
    }

    // MARK: Fragments

    private mutating func fragmentVerdict(of summary: FrameSummary, in frame: UnsafeRawPointer) -> NeighborVerdict {
        let data = UnsafeRawBufferPointer(
            start: frame + Int(summary.transportOffset), count: Int(summary.payloadLength))
        let key: FragmentVerdicts.Key
        let isFirst: Bool
        if summary.isIPv6 {
            // The fragment header is right before what it is about.
            let header = frame + Int(summary.transportOffset) - 8
            key = FragmentVerdicts.Key(
                summary, UInt32(bigEndian: header.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            isFirst = UInt16(bigEndian: header.loadUnaligned(fromByteOffset: 2, as: UInt16.self)) & 0xFFF8 == 0
        } else {
            let header = frame + Int(summary.networkOffset)
            key = FragmentVerdicts.Key(
                summary, UInt32(UInt16(bigEndian: header.loadUnaligned(fromByteOffset: 4, as: UInt16.self))))
            isFirst = UInt16(bigEndian: header.loadUnaligned(fromByteOffset: 6, as: UInt16.self)) & 0x1FFF == 0
        }
        guard isFirst else {
            return fragments.verdict(of: key) ?? (Self.isJudged(summary) ? .refusedFragment : .passes)
        }
        return fragments.note(Self.verdictOfFirst(summary, data), of: key)
    }

    /// The first fragment has the whole chain of headers (RFC 7112), or cannot be judged.
    private static func verdictOfFirst(_ summary: FrameSummary, _ data: UnsafeRawBufferPointer) -> NeighborVerdict {
        var protocolNumber = summary.protocolNumber
        var packet = data
        if summary.isIPv6 {
            guard let chain = IPv6ExtensionHeaders.walk(firstHeader: protocolNumber, payload: data),
                chain.fragment == nil, chain.offset <= data.count
            else { return .refusedFragment }
            protocolNumber = chain.finalProtocol
            packet = UnsafeRawBufferPointer(rebasing: data[chain.offset...])
        }
        let verdict = verdict(of: protocolNumber, packet, isIPv6: summary.isIPv6, isFragment: true)
        return verdict == .refused ? .refusedFragment : verdict
    }

    /// Whether what a later fragment belongs to may be something that is kept from guests. In IPv6 only the first fragment
    /// tells what it is (RFC 8200 §4.5).
    private static func isJudged(_ summary: FrameSummary) -> Bool {
        guard !summary.isIPv6 else { return true }
        return summary.protocolNumber == IPProtocol.udp || summary.protocolNumber == IPProtocol.icmp
            || summary.protocolNumber == IPProtocol.igmp
    }

    // MARK: Packets

    private static var dhcpServer: UInt16 { 67 }
    private static var dhcpClient: UInt16 { 68 }
    private static var dhcpv6Client: UInt16 { 546 }
    private static var dhcpv6Server: UInt16 { 547 }

    /// - Parameter packet: from its transport header on.
    private static func verdict(
        of protocolNumber: UInt8, _ packet: UnsafeRawBufferPointer, isIPv6: Bool, isFragment: Bool
    ) -> NeighborVerdict {
        switch protocolNumber {
        case IPProtocol.udp:
            // Every first fragment has this much: more follow only behind a multiple of eight bytes.
            guard packet.count >= UDPHeader.length, let base = packet.baseAddress else { return .refused }
            let port = UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            if port == (isIPv6 ? dhcpv6Client : dhcpClient) { return .refused }
            return port == (isIPv6 ? dhcpv6Server : dhcpServer) ? .gatewayOnly : .passes
        case IPProtocol.icmp where !isIPv6:
            guard let type = packet.first else { return .refused }
            return verdict(ofICMPv4: type)
        case IPProtocol.icmpv6 where isIPv6:
            guard let type = packet.first else { return .refused }
            // RFC 6980 §5: no node takes neighbour discovery in fragments, and it could not be checked here.
            if isFragment, ICMPv6Header.isNeighborDiscovery(type) { return .refused }
            return verdict(ofICMPv6: type)
        case IPProtocol.igmp: return .gatewayOnly
        default: return .passes
        }
    }

    private static func verdict(ofICMPv4 type: UInt8) -> NeighborVerdict {
        switch type {
        case ICMPv4Header.redirect, ICMPv4Header.routerAdvertisement: .refused
        case ICMPv4Header.routerSolicitation: .gatewayOnly
        default: .passes
        }
    }

    private static func verdict(ofICMPv6 type: UInt8) -> NeighborVerdict {
        switch type {
        case ICMPv6Header.routerAdvertisement, ICMPv6Header.redirect, ICMPv6Header.listenerQuery,
            ICMPv6Header.routerRenumbering:
            .refused
        case ICMPv6Header.routerSolicitation: .gatewayOnly
        default: .passes
        }
    }
}

/// What became of the first fragments of a guest's packets, which the later ones share. The oldest makes room.
struct FragmentVerdicts {
    /// What the fragments of one packet have in common: RFC 791 §2.3, RFC 8200 §4.5.
    struct Key: Equatable {
        let source: IPAddress
        let destination: IPAddress
        let identification: UInt32
        /// Zero for IPv6, where each fragment may have another one.
        let protocolNumber: UInt8

        init(_ summary: FrameSummary, _ identification: UInt32) {
            source = summary.source
            destination = summary.destination
            self.identification = identification
            protocolNumber = summary.isIPv6 ? 0 : summary.protocolNumber
        }
    }

    private struct Entry {
        let key: Key
        var verdict: NeighborVerdict
    }

    private let entries: UnsafeMutablePointer<Entry>
    private let capacity: Int
    private var count = 0
    private var oldest = 0

    init(capacity: Int) throws(MemoryFailure) {
        precondition(capacity > 0, "a table without places")
        self.capacity = capacity
        entries = try .allocateApart(capacity: capacity)
    }

    func deallocate() { entries.deallocate() }

    /// The verdict on the packet's first fragment; `nil` where that has not been seen, or not lately.
    func verdict(of key: Key) -> NeighborVerdict? {
        var index = 0
        while index < count {
            if entries[index].key == key { return entries[index].verdict }
            index &+= 1
        }
        return nil
    }

    /// Takes note of a verdict on a first fragment. Whatever else is sent as the first fragment of the same packet, a
    /// refusal stands: receivers differ in which of them they take.
    mutating func note(_ verdict: NeighborVerdict, of key: Key) -> NeighborVerdict {
        var index = 0
        while index < count {
            if entries[index].key == key {
                if entries[index].verdict == .passes { entries[index].verdict = verdict }
                return entries[index].verdict
            }
            index &+= 1
        }
        let entry = Entry(key: key, verdict: verdict)
        if count < capacity {
            (entries + count).initialize(to: entry)
            count &+= 1
        } else {
            entries[oldest] = entry
            oldest = oldest &+ 1 == capacity ? 0 : oldest &+ 1
        }
        return verdict
    }
}
