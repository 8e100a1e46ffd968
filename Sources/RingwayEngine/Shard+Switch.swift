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
/// A guest sends from its own ethernet address and its own IP addresses alone, so that nobody speaks in another's name;
/// it is no other guest's router and no other guest's DHCP server.
extension Shard {
    /// Whether the frame is for the network's own services. Takes the lease when it is not.
    @inline(never)
    mutating func passesSwitch(_ summary: FrameSummary, _ lease: Lease, length: Int) -> Bool {
        let frame = UnsafeRawPointer(space.address(of: lease)) + VirtioNetHeader.length
        guard summary.sourceMAC == port.mac else {
            counters.add(.droppedSpoofedMAC)
            pool.pointee.release(lease)
            return false
        }
        guard port.holds(summary.source, now: reactor.now) || mayHold(summary), isHonest(summary, frame) else {
            counters.add(.droppedSpoofedSource)
            if port.shouldTell(of: summary.source, now: reactor.now) {
                shared.configuration.claims?.refused(summary.source)
            }
            pool.pointee.release(lease)
            return false
        }
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

    /// Whether an address may be the guest's that is not known to be. Taken note of, so that it is asked about once.
    private mutating func mayHold(_ summary: FrameSummary) -> Bool {
        let address = summary.source
        if address.isUnspecified {
            // Who has no address yet may look for one.
            return summary.kind == .arp || summary.kind == .icmpv6
                || (summary.kind == .udp && summary.destinationPort == Self.dhcpServerPort)
        }
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

    /// Whether what the frame says about addresses in its body is true of the guest.
    private mutating func isHonest(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> Bool {
        switch summary.kind {
        case .arp:
            // RFC 826: hardware and protocol type, their lengths, the operation, and then the sender's ethernet address.
            return MACAddress(loadingFrom: frame + EthernetHeader.length + 8) == port.mac
        case .icmpv6:
            guard Self.messageType(summary, frame) == ICMPv6Header.neighborAdvertisement else { return true }
            guard summary.payloadLength >= 16 else { return false }
            var claim = summary
            claim.source = IPAddress(IPv6Address(loadingFrom: frame + Int(summary.transportOffset) + 8))
            return port.holds(claim.source, now: reactor.now) || mayHold(claim)
        default:
            return true
        }
    }

    private static func messageType(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> UInt8 {
        frame.load(fromByteOffset: Int(summary.transportOffset), as: UInt8.self)
    }

    private static var dhcpServerPort: UInt16 { 67 }
    private static var dhcpClientPort: UInt16 { 68 }

    /// Whether no other guest is to see the frame: it configures hosts, which only the gateway does.
    private static func isGatewaysAlone(_ summary: FrameSummary, _ frame: UnsafeRawPointer) -> Bool {
        switch summary.kind {
        case .udp:
            let isDHCP = summary.destinationPort == dhcpServerPort || summary.destinationPort == dhcpClientPort
            return isDHCP && !summary.isIPv6
        case .icmpv6:
            let type = messageType(summary, frame)
            return type == ICMPv6Header.routerAdvertisement || type == ICMPv6Header.routerSolicitation
                || type == ICMPv6Header.redirect
        case .otherProtocol: return summary.protocolNumber == IPProtocol.igmp
        case .arp, .tcp, .icmp, .fragment: return false
        }
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
        guard !Self.isGatewaysAlone(summary, frame) else {
            counters.add(.neighborFramesRefused)
            return pool.pointee.release(lease)
        }
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
        guard port.neighborCount > 0, !Self.isGatewaysAlone(summary, frame) else { return }
        let plan = stack.configuration.plan
        if summary.kind == .arp, plan.isGateway(summary.destination) || plan.isHost(summary.destination) { return }
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
        if !port.addNeighbor(neighbor, inbox: inbox) { close(inbox) }
    }

    /// Frames that are queued for the inbox go first: they know it by a number, which something else may have next.
    mutating func removeNeighbor(_ neighbor: MACAddress) {
        _ = reactor.ring.submit()
        port.removeNeighbor(neighbor)
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
        guard !lease.isNone else { return }
        guard completion.result > Int32(Frame.headerLength) else { return pool.pointee.release(lease) }
        counters.add(.framesFromNeighbors)
        octetsThisTurn &+= Int(completion.result)
        var effect = Effect(.writeFrame)
        effect.lease = lease
        effect.offset = UInt32(hostBuffers.headroom)
        effect.length = UInt32(completion.result)
        writeFrame(effect)
    }
}
