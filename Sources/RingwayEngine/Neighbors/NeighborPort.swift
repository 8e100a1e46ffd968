internal import RingwayLinks
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// A guest's port of the switch between the guests of one network.
///
/// ## Theory of operation
///
/// A frame for a neighbour is posted with its lease to the neighbour's shard, which may be the sender's own, and
/// waits there in the neighbour's inbox. If the inbox is full, the frame is dropped and counted, as by any switch: a
/// guest that does not read must not block others. The rate of each guest's frames to neighbours is limited, and they
/// are sent to their receiver after frames from the host (`NeighborInbox`), so a flood hardly affects the receiver.
///
/// Against spoofing, a guest may send only from its own ethernet and IP addresses, and may not probe for another
/// guest's address. `NeighborFilter` keeps it from acting as router or DHCP server of other guests. `SwitchPort` has
/// the tables.
struct NeighborPort: ~Copyable {
    private let isSwitched: Bool
    private let shared: EngineShared
    private let counters: Counters
    private let plan: NetworkPlan
    private var port: SwitchPort
    private var inbox = NeighborInbox()

    init(shared: EngineShared, counters: Counters, now: UInt64) throws(MemoryFailure) {
        port = try SwitchPort(shared.configuration, now: now)
        self.shared = shared
        self.counters = counters
        plan = shared.configuration.stack.plan
        isSwitched = shared.configuration.claims != nil
    }

    deinit { port.deallocate() }

    /// Whether the guest may have neighbours.
    @inline(__always)
    var isOn: Bool {
        mutating get { isSwitched }
    }

    /// Drops a frame that is not sent from the guest's own addresses, or that claims another address for the guest by
    /// ARP or a neighbour advertisement. Posts any other frame to the neighbours to which it is addressed.
    ///
    /// - Parameter isReassembled: the packet came in fragments, which have already been passed to neighbours.
    /// - Returns: true if the stack must handle the frame, because it is for the gateway, broadcast or multicast. If
    ///   false, the callee has taken ownership of the lease.
    @inline(never)
    mutating func passes(
        _ summary: FrameSummary, _ received: LinkPort.Frame, isReassembled: Bool, _ core: inout ShardCore
    ) -> Bool {
        let (lease, length) = (received.lease, received.length)
        let now = core.now
        let frame = UnsafeRawPointer(core.space.address(of: lease)) + VirtioNetHeader.length
        guard summary.sourceMAC == port.mac else {
            counters.add(.droppedSpoofedMAC)
            core.release(lease)
            return false
        }
        guard port.holds(summary.source, now: now) || mayHold(summary, frame, now), isHonest(summary, frame, now) else {
            counters.add(.droppedSpoofedSource)
            if port.shouldTell(of: summary.source, now: now) { shared.configuration.claims?.refused(summary.source) }
            core.release(lease)
            return false
        }
        if isReassembled { return takesReassembled(summary, frame, lease, &core) }
        let destination = MACAddress(loadingFrom: frame)
        if destination == plan.gatewayMAC { return true }
        if destination.isMulticast {
            flood(summary, frame, lease, length: length, &core)
            return true
        }
        pass(summary, frame, lease, length: length, to: destination, &core)
        return false
    }

    // MARK: Source address checks

    /// Whether a guest may send a frame whose source address is not known to be the guest's.
    private mutating func mayHold(_ summary: FrameSummary, _ frame: UnsafeRawPointer, _ now: UInt64) -> Bool {
        guard summary.source.isUnspecified else { return mayClaim(summary.source, now) }
        // A guest that has no address yet may send from the unspecified address in order to obtain an address.
        switch summary.kind {
        case .arp: return true
        case .udp: return !summary.isIPv6 && summary.destinationPort == Self.dhcpServerPort
        case .icmpv6:
            switch Self.messageType(summary, frame) {
            case ICMPv6Header.neighborSolicitation, ICMPv6Header.routerSolicitation, ICMPv6Header.listenerReport,
                ICMPv6Header.listenerDone, ICMPv6Header.listenerReportVersion2:
                return true
            default: return false
            }
        case .tcp, .icmp, .fragment, .otherProtocol: return false
        }
    }

    /// Whether the guest may use an address that it has not used before. A granted address is recorded, so that the
    /// network's registry is not asked again.
    private mutating func mayClaim(_ address: IPAddress, _ now: UInt64) -> Bool {
        guard !address.isIPv4, plan.isGuest(address.ipv6),
            let claims = shared.configuration.claims
        else { return false }
        if !port.hasRoomForAddress {
            guard let idlest = port.forgetIdlestAddress(now: now) else { return false }
            claims.release(idlest.ipv6)
        }
        guard claims.claim(address.ipv6) else { return false }
        port.addAddress(address, now: now)
        shared.guestShown(address, now: now)
        return true
    }

    private mutating func isOwn(_ address: IPAddress, _ now: UInt64) -> Bool {
        port.holds(address, now: now) || mayClaim(address, now)
    }

    /// Whether the address that the frame's body claims for the sender is the guest's own: the sender's ethernet
    /// address in ARP, the target of a neighbour advertisement.
    private mutating func isHonest(_ summary: FrameSummary, _ frame: UnsafeRawPointer, _ now: UInt64) -> Bool {
        switch summary.kind {
        case .arp:
            // RFC 826: hardware and protocol type, their lengths, the operation, then the sender's ethernet address.
            return MACAddress(loadingFrom: frame + EthernetHeader.length + 8) == port.mac
        case .icmpv6:
            guard Self.messageType(summary, frame) == ICMPv6Header.neighborAdvertisement else { return true }
            return Self.target(summary, frame).map { isOwn($0, now) } ?? false
        default:
            return true
        }
    }

    /// False if the frame is an address probe that neighbours must not get. A probe has no source address (RFC 4862
    /// §5.4, RFC 5227 §2.1). A neighbour that is about to use the probed address would give it up, so a guest may
    /// only probe for addresses that it may have (RFC 6620).
    private mutating func mayProbe(_ summary: FrameSummary, _ frame: UnsafeRawPointer, _ now: UInt64) -> Bool {
        guard summary.source.isUnspecified else { return true }
        switch summary.kind {
        case .arp: return port.holds(summary.destination, now: now)
        case .icmpv6:
            guard Self.messageType(summary, frame) == ICMPv6Header.neighborSolicitation else { return true }
            return Self.target(summary, frame).map { isOwn($0, now) } ?? false
        default: return true
        }
    }

    private static func messageType(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> UInt8 {
        frame.load(fromByteOffset: Int(summary.transportOffset), as: UInt8.self)
    }

    /// The address that a neighbour solicitation or advertisement is about; `nil` if the message is too short.
    private static func target(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> IPAddress? {
        guard summary.payloadLength >= 16 else { return nil }
        return IPAddress(IPv6Address(loadingFrom: frame + Int(summary.transportOffset) + 8))
    }

    private static var dhcpServerPort: UInt16 { 67 }

    /// Whether the gateway may handle a reassembled packet. False for neighbour discovery, which must not be fragmented
    /// (RFC 6980 §5): it is dropped and its lease released.
    private mutating func takesReassembled(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, _ lease: Lease, _ core: inout ShardCore
    ) -> Bool {
        guard summary.kind == .icmpv6, ICMPv6Header.isNeighborDiscovery(Self.messageType(summary, frame)) else {
            return true
        }
        counters.add(.droppedFragment)
        core.release(lease)
        return false
    }

    /// Whether the frame may be passed to neighbours. Counts the frame if it may not.
    ///
    /// - Parameter isFlooded: the frame is broadcast or multicast, as requests to the gateway normally are. Such
    ///   requests are therefore not counted.
    private mutating func reachesNeighbors(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, isFlooded: Bool, _ now: UInt64
    ) -> Bool {
        guard mayProbe(summary, frame, now) else {
            counters.add(.neighborProbesRefused)
            return false
        }
        switch port.filter.verdict(of: summary, in: frame) {
        case .passes: return true
        case .gatewayOnly: if !isFlooded { counters.add(.neighborFramesRefused) }
        case .refused: counters.add(.neighborFramesRefused)
        case .refusedFragment: counters.add(.neighborFragmentsRefused)
        }
        return false
    }

    // MARK: The guest's addresses

    /// Gets another IPv4 address from the network's registry, because the guest has declined its own; `nil` if there
    /// is none. The caller sets the address in all parts. The guest restarts DHCP after ten seconds or more (RFC 2131
    /// §3.1.5).
    mutating func replaceAddress(_ declined: IPv4Address) -> IPv4Address? {
        guard let address = shared.configuration.claims?.replace(declined) else { return nil }
        shared.addresses.expect(address)
        shared.report(.addressesChanged)
        return address
    }

    /// Sets the IPv4 address from which the guest may send.
    mutating func setGuestIPv4(_ address: IPv4Address, now: UInt64) { port.setIPv4(address, now: now) }

    /// Removes an address of the guest that now belongs to another guest.
    mutating func revokeAddress(_ address: IPv6Address, now: UInt64) {
        guard port.forgetAddress(IPAddress(address)) else { return }
        counters.add(.addressesRevoked)
        shared.guestSilent(IPAddress(address), now: now)
    }

    // MARK: Frames to neighbours

    /// Posts a frame to one neighbour, or drops it. Takes ownership of the lease.
    private mutating func pass(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, _ lease: Lease, length: Int, to neighbor: MACAddress,
        _ core: inout ShardCore
    ) {
        let place = port.place(of: neighbor)
        guard !place.isNone else {
            counters.add(.neighborsUnknown)
            return core.release(lease)
        }
        guard reachesNeighbors(summary, frame, isFlooded: false, core.now) else { return core.release(lease) }
        guard port.crossings.take(now: core.now) else {
            counters.add(.neighborsThrottled)
            return core.release(lease)
        }
        post(lease, length: length, to: place, &core)
    }

    /// Posts a frame to a neighbour's part, or drops it if the mail queue is full. Takes ownership of the lease.
    private mutating func post(_ lease: Lease, length: Int, to place: GuestPlace, _ core: inout ShardCore) {
        if core.post(ShardMessage(neighborFrame: lease, length: length, to: place)) {
            return counters.add(.framesToNeighbors)
        }
        counters.add(.neighborInboxFull)
        core.release(lease)
    }

    /// Copies a broadcast or multicast frame to all neighbours. Does nothing if the frame is ARP for the gateway or
    /// host address, if neighbours may not get it (`reachesNeighbors`), or if it exceeds the MTU or the guest's rate
    /// limit. The caller keeps the lease.
    private mutating func flood(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, _ lease: Lease, length: Int, _ core: inout ShardCore
    ) {
        guard port.neighborCount > 0 else { return }
        if summary.kind == .arp, plan.isGateway(summary.destination) || plan.isHost(summary.destination) { return }
        guard reachesNeighbors(summary, frame, isFlooded: true, core.now) else { return }
        guard length <= Frame.headerLength + plan.mtu, port.floods.take(now: core.now) else {
            return counters.add(.floodsRefused)
        }
        counters.add(.framesFlooded)
        let frame = UnsafeRawPointer(core.space.address(of: lease))
        for index in 0..<port.neighborCount {
            let copy = core.pool.pointee.lease(fitting: length)
            guard !copy.isNone else { return counters.add(.neighborInboxFull) }
            core.space.address(of: copy).copyMemory(from: frame, byteCount: length)
            post(copy, length: length, to: port.place(at: index), &core)
        }
    }

    /// Adds a neighbour, or changes the place to which frames for it are posted.
    mutating func addNeighbor(_ neighbor: MACAddress, at place: GuestPlace) {
        port.removeNeighbor(neighbor)
        port.addNeighbor(neighbor, at: place)
    }

    mutating func removeNeighbor(_ neighbor: MACAddress) { port.removeNeighbor(neighbor) }

    // MARK: Frames from neighbours

    /// The next time at which queued frames may be sent; `nil` if there are none.
    mutating func deadline(now: UInt64) -> UInt64? { inbox.deadline(now: now) }

    /// Whether frames of neighbours are queued.
    @inline(__always)
    var hasFrames: Bool {
        mutating get { !inbox.isEmpty }
    }

    /// The link counts as quiet if it holds at most this many bytes.
    var quietBytes: Int {
        mutating get { inbox.quietBytes }
    }

    /// Queues a neighbour's frame. Takes ownership of the lease.
    mutating func take(_ frame: Lease, length: Int, _ core: inout ShardCore) {
        guard inbox.append(frame, length: length, core.pool) else {
            counters.add(.neighborInboxFull)
            return core.release(frame)
        }
        counters.add(.framesFromNeighbors)
        core.bytesThisTurn &+= length
    }

    /// The number of neighbours' frames that may be sent to the guest now, at the end of its turn.
    ///
    /// - Parameter isLinkQuiet: whether the link holds at most `quietBytes`.
    mutating func grant(isLinkQuiet: Bool, _ core: inout ShardCore) -> Int {
        inbox.grant(isLinkQuiet: isLinkQuiet, now: core.now)
    }

    /// The next frame for the guest; `nil` if there is none.
    mutating func nextFrame(_ core: inout ShardCore) -> OutgoingFrame? {
        let lease = inbox.popFirst(in: core.space)
        guard !lease.isNone else { return nil }
        return OutgoingFrame(lease, offset: 0, length: core.space.state(of: lease).pointee.length)
    }

    /// Releases queued frames, at the end of the guest.
    mutating func close(_ core: inout ShardCore) {
        while let frame = nextFrame(&core) { core.release(frame.lease) }
    }
}
