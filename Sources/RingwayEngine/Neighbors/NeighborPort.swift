internal import CRingway
internal import Glibc
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
/// Each engine has an inbox, a SOCK_SEQPACKET pair in which a message is a frame with its virtio-net header; engines that
/// know its guest as a neighbour hold the end to write to. What does not fit is dropped and counted, as by any switch: a
/// guest that does not read holds up no other. Each guest may send so many frames in a second, and those of neighbours come
/// behind the host's own (`NeighborInbox`): a flood costs the guest that it is for little.
///
/// A guest sends from its own ethernet address and its own IP addresses alone, so that no guest speaks in another's name,
/// and probes for no address that is another's; `NeighborFilter` keeps it from being other guests' router or DHCP server.
/// `SwitchPort` has the tables.
struct NeighborPort: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// A frame to a neighbour; the tag's index is its buffer.
        case send
        /// The multishot receive of the inbox.
        case receive

        static var owner: OperationOwner { .neighbors }
    }

    private let isSwitched: Bool
    private let shared: EngineShared
    private let counters: Counters
    private let plan: NetworkPlan
    private var port: SwitchPort
    private var inbox: NeighborInbox

    /// - Parameter inbox: is adopted once nothing can fail any more.
    init(
        shared: EngineShared, counters: Counters, inbox: consuming NeighborInbox, now: UInt64
    ) throws(MemoryFailure) {
        port = try SwitchPort(shared.configuration, now: now)
        self.shared = shared
        self.counters = counters
        self.inbox = inbox
        plan = shared.configuration.stack.plan
        isSwitched = shared.configuration.claims != nil
    }

    deinit { port.deallocate() }

    /// Whether the guest may have neighbours.
    @inline(__always)
    var isOn: Bool {
        mutating get { isSwitched }
    }

    /// Routes a completion of one of the component's operations; returns a frame for the guest that it has brought.
    mutating func complete(_ completion: Completion, _ core: inout ShardCore) -> OutgoingFrame? {
        switch Operation(completion.tag) {
        case .send:
            counters.add(completion.result < 0 ? .neighborInboxFull : .framesToNeighbors)
            core.release(Lease(rawValue: completion.tag.index))
            return nil
        case .receive: return received(completion, &core)
        case nil: return nil
        }
    }

    /// Whether the frame is for the network's own services. Takes the lease when it is not.
    ///
    /// - Parameter isReassembled: neighbours have had the fragments already.
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

    // MARK: What a guest may say of itself

    /// Whether a guest may send a frame from the address that it has there and that is not known to be the guest's.
    private mutating func mayHold(_ summary: FrameSummary, _ frame: UnsafeRawPointer, _ now: UInt64) -> Bool {
        guard summary.source.isUnspecified else { return mayClaim(summary.source, now) }
        // A guest without an address may look for one.
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

    /// Whether an address that is not known to be the guest's may be so from now on. Taken note of, so that the network is
    /// asked about it once.
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

    /// Whether what the frame says about addresses in its body is true of the guest.
    private mutating func isHonest(_ summary: FrameSummary, _ frame: UnsafeRawPointer, _ now: UInt64) -> Bool {
        switch summary.kind {
        case .arp:
            // RFC 826: hardware and protocol type, their lengths, the operation, and then the sender's ethernet address.
            return MACAddress(loadingFrom: frame + EthernetHeader.length + 8) == port.mac
        case .icmpv6:
            guard Self.messageType(summary, frame) == ICMPv6Header.neighborAdvertisement else { return true }
            return Self.target(summary, frame).map { isOwn($0, now) } ?? false
        default:
            return true
        }
    }

    /// Whether neighbours may see a probe, which asks from no address whether another is free (RFC 4862 §5.4, RFC 5227
    /// §2.1): a machine that is about to have that one takes it for taken, so only a guest that may have it asks for it
    /// (RFC 6620).
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

    /// The address that a neighbour solicitation or advertisement is about; `nil` where it is too short for one.
    private static func target(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> IPAddress? {
        guard summary.payloadLength >= 16 else { return nil }
        return IPAddress(IPv6Address(loadingFrom: frame + Int(summary.transportOffset) + 8))
    }

    private static var dhcpServerPort: UInt16 { 67 }

    /// What came in fragments goes to the gateway alone, and is no neighbour discovery (RFC 6980 §5). Takes the lease when
    /// it does not go there.
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

    /// Whether neighbours may have the frame; counted where they may not.
    ///
    /// - Parameter isFlooded: questions to the gateway are flooded as a matter of course.
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

    /// The guest has declined its IPv4 address; returns the one that the network gives it instead, on all shards. It asks
    /// for it anew, after ten seconds by RFC 2131 §3.1.5.
    mutating func replaceAddress(_ declined: IPv4Address) -> IPv4Address? {
        guard let address = shared.configuration.claims?.replace(declined) else { return nil }
        shared.addresses.expect(address)
        shared.report(.addressesChanged)
        return address
    }

    /// The guest has another IPv4 address.
    mutating func setGuestIPv4(_ address: IPv4Address, now: UInt64) { port.setIPv4(address, now: now) }

    /// Another guest has come whose address this is by right.
    mutating func revokeAddress(_ address: IPv6Address, now: UInt64) {
        guard port.forgetAddress(IPAddress(address)) else { return }
        counters.add(.addressesRevoked)
        shared.guestSilent(IPAddress(address), now: now)
    }

    // MARK: To neighbours

    /// Takes the lease.
    private mutating func pass(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, _ lease: Lease, length: Int, to neighbor: MACAddress,
        _ core: inout ShardCore
    ) {
        let inbox = port.inbox(of: neighbor)
        guard inbox >= 0 else {
            counters.add(.neighborsUnknown)
            return core.release(lease)
        }
        guard reachesNeighbors(summary, frame, isFlooded: false, core.now) else { return core.release(lease) }
        guard port.crossings.take(now: core.now) else {
            counters.add(.neighborsThrottled)
            return core.release(lease)
        }
        core.reactor.ring.send(
            inbox, core.space.address(of: lease), length, flags: Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT),
            Operation.send.tag(index: lease.rawValue))
    }

    /// Copies a broadcast or multicast frame to the neighbours, so many in a second. The lease stays the caller's.
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
        // At once, not by the ring: the frame goes on to the stack, which gives its buffer back.
        for index in 0..<port.neighborCount {
            let sent = Glibc.send(
                port.inbox(at: index), core.space.address(of: lease), length, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            counters.add(sent < 0 ? .neighborInboxFull : .framesToNeighbors)
        }
    }

    /// Adopts the inbox of a neighbour.
    mutating func addNeighbor(_ neighbor: MACAddress, inbox: Int32, _ core: inout ShardCore) {
        removeNeighbor(neighbor, &core)
        if !port.addNeighbor(neighbor, inbox: inbox) { close(inbox) }
    }

    /// Frames that are queued for the inbox go first: they know it by a number, which something else may have next. Those for
    /// which there was no room end with it.
    mutating func removeNeighbor(_ neighbor: MACAddress, _ core: inout ShardCore) {
        let inbox = port.removeNeighbor(neighbor)
        guard inbox >= 0 else { return }
        core.reactor.ring.submitAll()
        core.close(inbox, reset: false)
    }

    // MARK: From neighbours

    /// When frames that had to stay may be taken; `nil` when none are known to be there.
    var deadline: UInt64? {
        mutating get { inbox.deadline }
    }

    /// Whether the inbox is to be given buffers.
    @inline(__always)
    var wantsBuffers: Bool {
        mutating get { isSwitched && inbox.wantsBuffers }
    }

    /// Bytes that the link may hold and still count as quiet.
    var quietBytes: Int {
        mutating get { inbox.quietBytes }
    }

    /// Lets frames of neighbours come, behind all that this turn has had for the guest.
    ///
    /// - Parameter isLinkQuiet: whether the link holds no more than `quietBytes`.
    @inline(never)
    mutating func feed(isLinkQuiet: Bool, _ core: inout ShardCore) {
        let now = core.now
        inbox.feed(
            &core.reactor.ring, from: core.pool, isLinkQuiet: isLinkQuiet, now: now, Operation.receive.tag())
    }

    private mutating func received(_ completion: Completion, _ core: inout ShardCore) -> OutgoingFrame? {
        let lease = inbox.take(completion)
        if let ended = inbox.takeEnded() { core.close(ended, reset: false) }
        guard !lease.isNone else { return nil }
        guard completion.result > Int32(Frame.headerLength) else {
            core.release(lease)
            return nil
        }
        counters.add(.framesFromNeighbors)
        core.bytesThisTurn &+= Int(completion.result)
        return OutgoingFrame(lease, offset: UInt32(Stack.headroom), length: UInt32(completion.result))
    }

    /// Closes everything, at the end of the shard.
    mutating func closeDescriptors() {
        port.closeDescriptors()
        inbox.close()
    }
}
