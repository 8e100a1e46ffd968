internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// Frames between the guests of one network.
///
/// Each engine has an inbox, a SOCK_SEQPACKET pair in which a message is a frame with its virtio-net header; whoever
/// knows the engine's guest as a neighbour holds the end to write to. What does not fit is dropped and counted, as by
/// any switch: a guest that does not read holds up nobody. Each guest may send so many frames in a second, and those of
/// neighbours come behind the host's own (`NeighborInbox`): a flood costs the guest that it is for little.
///
/// A guest sends from its own ethernet address and its own IP addresses alone, so that nobody speaks in another's name,
/// and probes for no address that is another's; `NeighborFilter` keeps it from being other guests' router or DHCP server.
extension Shard {
    /// Whether the frame is for the network's own services. Takes the lease when it is not.
    ///
    /// - Parameter isReassembled: neighbours have had the fragments already.
    @inline(never)
    mutating func passesSwitch(_ summary: FrameSummary, _ lease: Lease, length: Int, isReassembled: Bool) -> Bool {
        let frame = UnsafeRawPointer(space.address(of: lease)) + VirtioNetHeader.length
        guard summary.sourceMAC == port.mac else {
            counters.add(.droppedSpoofedMAC)
            pool.pointee.release(lease)
            return false
        }
        guard port.holds(summary.source, now: reactor.now) || mayHold(summary, frame), isHonest(summary, frame) else {
            counters.add(.droppedSpoofedSource)
            if port.shouldTell(of: summary.source, now: reactor.now) {
                shared.configuration.claims?.refused(summary.source)
            }
            pool.pointee.release(lease)
            return false
        }
        if isReassembled { return takesReassembled(summary, frame, lease) }
        let destination = MACAddress(loadingFrom: frame)
        if destination == stack.configuration.plan.gatewayMAC { return true }
        if destination.isMulticast {
            flood(summary, frame, lease, length: length)
            return true
        }
        pass(summary, frame, lease, length: length, to: destination)
        return false
    }

    // MARK: What a guest may say of itself

    /// Whether a guest may send a frame from the address that it has there and that is not known to be the guest's.
    private mutating func mayHold(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> Bool {
        guard summary.source.isUnspecified else { return mayClaim(summary.source) }
        // Who has no address yet may look for one.
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
    private mutating func mayClaim(_ address: IPAddress) -> Bool {
        guard !address.isIPv4, stack.configuration.plan.isGuest(address.ipv6),
            let claims = shared.configuration.claims
        else { return false }
        if !port.hasRoomForAddress {
            guard let idlest = port.forgetIdlestAddress(now: reactor.now) else { return false }
            claims.release(idlest.ipv6)
        }
        guard claims.claim(address.ipv6) else { return false }
        port.addAddress(address, now: reactor.now)
        guestShown(address)
        return true
    }

    private mutating func isOwn(_ address: IPAddress) -> Bool {
        port.holds(address, now: reactor.now) || mayClaim(address)
    }

    /// Whether what the frame says about addresses in its body is true of the guest.
    private mutating func isHonest(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> Bool {
        switch summary.kind {
        case .arp:
            // RFC 826: hardware and protocol type, their lengths, the operation, and then the sender's ethernet address.
            return MACAddress(loadingFrom: frame + EthernetHeader.length + 8) == port.mac
        case .icmpv6:
            guard Self.messageType(summary, frame) == ICMPv6Header.neighborAdvertisement else { return true }
            return Self.target(summary, frame).map { isOwn($0) } ?? false
        default:
            return true
        }
    }

    /// Whether neighbours may see a probe, which asks from no address whether another is free (RFC 4862 §5.4, RFC 5227
    /// §2.1): a machine that is about to have that one takes it for taken, so only a guest that may have it asks for it
    /// (RFC 6620).
    private mutating func mayProbe(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> Bool {
        guard summary.source.isUnspecified else { return true }
        switch summary.kind {
        case .arp: return port.holds(summary.destination, now: reactor.now)
        case .icmpv6:
            guard Self.messageType(summary, frame) == ICMPv6Header.neighborSolicitation else { return true }
            return Self.target(summary, frame).map { isOwn($0) } ?? false
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
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, _ lease: Lease
    ) -> Bool {
        guard summary.kind == .icmpv6, ICMPv6Header.isNeighborDiscovery(Self.messageType(summary, frame)) else {
            return true
        }
        counters.add(.droppedFragment)
        pool.pointee.release(lease)
        return false
    }

    /// Whether neighbours may have the frame; counted where they may not.
    ///
    /// - Parameter isFlooded: questions to the gateway are flooded as a matter of course.
    private mutating func reachesNeighbors(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, isFlooded: Bool
    ) -> Bool {
        guard mayProbe(summary, frame) else {
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

    /// The guest has declined its address. The network gives it another, on all shards; it asks for it anew, after ten
    /// seconds by RFC 2131 §3.1.5.
    mutating func replaceAddress() {
        guard let address = shared.configuration.claims?.replace(stack.guestAddress) else { return }
        setGuestIPv4(address)
        shared.addresses.expect(address)
        shared.report(.addressesChanged)
        for other in 0..<shared.network.count where other != index {
            shared.commands[other].append(.setGuestIPv4(address))
            shared.network.doorbell(of: other).wake()
        }
    }

    mutating func setGuestIPv4(_ address: IPv4Address) {
        stack.setGuestIPv4(address)
        port.setIPv4(address, now: reactor.now)
    }

    /// Another guest has come whose address this is by right.
    mutating func revokeAddress(_ address: IPv6Address) {
        guard port.forgetAddress(IPAddress(address)) else { return }
        counters.add(.addressesRevoked)
        if shared.addresses.silent(IPAddress(address), now: reactor.now) { shared.report(.addressesChanged) }
    }

    // MARK: To neighbours

    /// Takes the lease.
    private mutating func pass(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, _ lease: Lease, length: Int, to neighbor: MACAddress
    ) {
        let inbox = port.inbox(of: neighbor)
        guard inbox >= 0 else {
            counters.add(.neighborsUnknown)
            return pool.pointee.release(lease)
        }
        guard reachesNeighbors(summary, frame, isFlooded: false) else { return pool.pointee.release(lease) }
        guard port.crossings.take(now: reactor.now) else {
            counters.add(.neighborsThrottled)
            return pool.pointee.release(lease)
        }
        let entry = reactor.ring.prepare()
        io_uring_prep_send(
            entry, inbox, space.address(of: lease), length, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        entry.pointee.user_data = Operation.neighborSend.tag(index: lease.rawValue).rawValue
    }

    mutating func neighborSent(_ completion: Completion) {
        counters.add(completion.result < 0 ? .neighborInboxFull : .framesToNeighbors)
        pool.pointee.release(Lease(rawValue: completion.tag.index))
    }

    /// Copies a frame for everybody to the neighbours, so many in a second. The lease stays the caller's.
    private mutating func flood(
        _ summary: FrameSummary, _ frame: UnsafeRawPointer, _ lease: Lease, length: Int
    ) {
        guard port.neighborCount > 0 else { return }
        let plan = stack.configuration.plan
        if summary.kind == .arp, plan.isGateway(summary.destination) || plan.isHost(summary.destination) { return }
        guard reachesNeighbors(summary, frame, isFlooded: true) else { return }
        guard length <= Frame.headerLength + plan.mtu, port.floods.take(now: reactor.now) else {
            return counters.add(.floodsRefused)
        }
        counters.add(.framesFlooded)
        // At once, not by the ring: the frame goes on to the stack, which gives its buffer back.
        for index in 0..<port.neighborCount {
            let sent = send(
                port.inbox(at: index), space.address(of: lease), length, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            counters.add(sent < 0 ? .neighborInboxFull : .framesToNeighbors)
        }
    }

    mutating func addNeighbor(_ neighbor: MACAddress, inbox: Int32) {
        removeNeighbor(neighbor)
        if !port.addNeighbor(neighbor, inbox: inbox) { close(inbox) }
    }

    /// Frames that are queued for the inbox go first: they know it by a number, which something else may have next. Those for
    /// which there was no room end with it.
    mutating func removeNeighbor(_ neighbor: MACAddress) {
        let inbox = port.removeNeighbor(neighbor)
        guard inbox >= 0 else { return }
        reactor.ring.submitAll()
        closeWatched(inbox, reset: false)
    }

    // MARK: From neighbours

    /// Lets frames of neighbours come, behind all that this turn has had for the guest.
    @inline(never)
    mutating func feedInbox() {
        inbox.feed(
            &reactor.ring, from: pool, isLinkQuiet: isLinkQuiet, now: reactor.now, Operation.neighborReceive.tag())
    }

    /// Whether the guest has read what it was sent, as far as can be seen. A device takes frames at once.
    private var isLinkQuiet: Bool {
        mutating get {
            guard let departures else { return true }
            return !departures.pointee.isDeparting && Int(ringway_unsent(queue.descriptor)) <= inbox.quietBytes
        }
    }

    mutating func neighborReceived(_ completion: Completion) {
        let lease = inbox.take(completion)
        if let ended = inbox.takeEnded() { closeWatched(ended, reset: false) }
        guard !lease.isNone else { return }
        guard completion.result > Int32(Frame.headerLength) else { return pool.pointee.release(lease) }
        counters.add(.framesFromNeighbors)
        octetsThisTurn &+= Int(completion.result)
        writeFrame(.frame(lease, offset: UInt32(hostBuffers.headroom), length: UInt32(completion.result)))
    }
}
