internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// Whether a guest's packet may be passed to other guests.
enum NeighborVerdict: UInt8 {
    case passes
    /// Only for the gateway: DHCP requests, router solicitations, IGMP messages.
    case gatewayOnly
    /// Only the gateway may send this: DHCP replies, router advertisements, router renumbering, redirects, MLD
    /// queries.
    case refused
    /// A fragment of a refused packet or of a neighbour discovery message. Also a fragment that cannot be checked,
    /// because the first fragment lacks a header or has not been seen.
    case refusedFragment
}

/// Prevents guests from configuring each other, which only the gateway may do. It filters DHCP and DHCPv6 (RFC 7610),
/// router advertisements (RFC 6105) and redirects, even if they are fragmented (RFC 7113) or have extension headers.
///
/// Each part of a guest has a filter, for the packets that the guest sends.
struct NeighborFilter {
    private var fragments: FragmentVerdicts

    /// - Parameter fragments: the number of fragmented packets that are remembered.
    init(fragments: Int) throws(MemoryFailure) { self.fragments = try FragmentVerdicts(capacity: fragments) }

    func deallocate() { fragments.deallocate() }

    /// The verdict on a frame that was parsed without an error.
    ///
    /// - Parameter frame: the ethernet frame, without the virtio-net header.
    mutating func verdict(of summary: FrameSummary, in frame: UnsafeRawPointer) -> NeighborVerdict {
        switch summary.kind {
        case .arp, .tcp: return .passes
        case .udp, .icmp, .icmpv6, .otherProtocol:
            // The parser has checked that the transport header of these protocols is complete.
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
            // The fragment header directly precedes the payload.
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

    /// The verdict on a first fragment. If it does not contain the whole header chain (RFC 7112), it is refused,
    /// because its protocol cannot be checked.
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

    /// Whether a later fragment, whose first fragment has not been seen, may belong to a packet that other guests must
    /// not get. Every IPv6 fragment may, because only the first fragment tells the protocol (RFC 8200 §4.5).
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

    /// The verdict on a packet or first fragment, by its protocol, UDP port or ICMP type.
    ///
    /// - Parameter packet: begins with the transport header.
    private static func verdict(
        of protocolNumber: UInt8, _ packet: UnsafeRawBufferPointer, isIPv6: Bool, isFragment: Bool
    ) -> NeighborVerdict {
        switch protocolNumber {
        case IPProtocol.udp:
            // A valid first fragment has at least eight bytes, the length of a UDP header, because the offset of the
            // next fragment is a multiple of eight.
            guard packet.count >= UDPHeader.length, let base = packet.baseAddress else { return .refused }
            let port = UInt16(bigEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
            if port == (isIPv6 ? dhcpv6Client : dhcpClient) { return .refused }
            return port == (isIPv6 ? dhcpv6Server : dhcpServer) ? .gatewayOnly : .passes
        case IPProtocol.icmp where !isIPv6:
            guard let type = packet.first else { return .refused }
            return verdict(ofICMPv4: type)
        case IPProtocol.icmpv6 where isIPv6:
            guard let type = packet.first else { return .refused }
            // RFC 6980 §5: hosts ignore fragmented neighbour discovery, and its body cannot be checked here.
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

/// The verdicts on first fragments of a guest's packets, which also apply to the later fragments. When the table is
/// full, a new entry replaces the oldest.
struct FragmentVerdicts {
    /// The fields that identify the fragments of one packet: RFC 791 §2.3, RFC 8200 §4.5.
    struct Key: Equatable {
        let source: IPAddress
        let destination: IPAddress
        let identification: UInt32
        /// Zero for IPv6, whose fragments may differ in this field.
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

    /// The verdict on the packet's first fragment; `nil` if it has not been seen, or not recently.
    func verdict(of key: Key) -> NeighborVerdict? {
        var index = 0
        while index < count {
            if entries[index].key == key { return entries[index].verdict }
            index &+= 1
        }
        return nil
    }

    /// Records the verdict on a first fragment, and returns the packet's verdict. The verdict on another first
    /// fragment of the packet replaces only `passes`, because receivers differ in which of the two fragments they
    /// use.
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
