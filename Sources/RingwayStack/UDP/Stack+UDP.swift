public import RingwayStorage
public import RingwayWire

/// Datagrams from the guest, and the life of mappings.
extension Stack {
    /// Takes the lease.
    mutating func receiveUDP(_ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer) {
        let client = forwardedSlot(for: summary)
        let target: TransportAddress
        // Who may speak to a published port may be answered: that is said by the address it is published on.
        if let client, let mapping = mappings.pointer(inSlot: client), mapping.pointee.hasPeerSpoken {
            target = mapping.pointee.peer
        } else {
            switch destination(of: summary.destination) {
            case .gateway:
                if summary.destinationPort == Self.namePort { return receiveQuery(summary, lease) }
                sendError(.portUnreachable, about: bytes, summary)
                return release(lease)
            case .host(let address):
                target = TransportAddress(address: address, port: summary.destinationPort)
            case .refused:
                counters.add(.droppedPolicy)
                sendError(.administrativelyProhibited, about: bytes, summary)
                return release(lease)
            case .absent:
                sendError(.hostUnreachable, about: bytes, summary)
                return release(lease)
            case .unroutable:
                counters.add(.droppedForeignDestination)
                return release(lease)
            }
        }
        guard let slot = client ?? mappingSlot(for: summary, to: target),
            let mapping = mappings.pointer(inSlot: slot), let hopLimit = hopLimitBeyondGateway(summary, bytes)
        else { return release(lease) }
        if !mapping.pointee.isForwarded {
            noteTarget(target, of: mapping)
            if summary.destinationPort != Self.namePort { mapping.pointee.isNameQuery = false }
        }
        touch(mapping, isFirstAnswer: mapping.pointee.noteFromGuest(now: now))
        counters.add(.udpToHost)
        var effect = Effect(
            mapping.pointee.isForwarded ? .sendForwardedDatagram : .sendDatagram, mappings.handle(ofSlot: slot))
        effect.lease = lease
        effect.length = summary.payloadLength
        effect.offset = UInt32(summary.payloadOffset) + UInt32(VirtioNetHeader.length)
        effect.segmentSize = summary.segmentSize
        effect.hopLimit = hopLimit
        effect.trafficClass = summary.trafficClass
        if summary.dontFragment { effect.options = .dontFragment }
        effect.address = mapping.pointee.isForwarded ? mapping.pointee.peer : target
        effects.append(effect)
    }

    static var namePort: UInt16 { 53 }

    /// The guest sends to `target`, which may answer from now on.
    @inline(__always)
    private mutating func noteTarget(_ target: TransportAddress, of mapping: UnsafeMutablePointer<UDPMapping>) {
        let last = mapping.pointee.peer
        mapping.pointee.peer = target
        if policy.udpFiltering.covers(last, target) || last.address.isUnspecified { return }
        notePeers(last, target, of: mapping)
    }

    @inline(never)
    private mutating func notePeers(
        _ last: TransportAddress, _ target: TransportAddress, of mapping: UnsafeMutablePointer<UDPMapping>
    ) {
        let (owner, key, filtering) = (mappings.slot(of: mapping), mapping.pointee.key, policy.udpFiltering)
        notePeer(key.peer(last, filtering), of: owner)
        notePeer(key.peer(target, filtering), of: owner)
    }

    /// Notes a peer of a mapping or of a ping.
    mutating func notePeer(_ key: FlowKey, of owner: UInt32) {
        if peers.note(key, of: owner, in: &table) { counters.add(.udpPeersEvicted) }
    }

    /// The mapping of the peer of a published port that a datagram goes to; `nil` when there is none.
    @inline(__always)
    private mutating func forwardedSlot(for summary: FrameSummary) -> UInt32? {
        guard forwardedMappings > 0, !plan.isGateway(summary.destination),
            let reference = table.find(Self.forwardedKey(summary)),
            reference.kind == .forwardedUDP
        else { return nil }
        return reference.slot
    }

    /// The mapping by which a datagram goes out that answers no peer of a published port, made when there is none: that of
    /// a new peer of one, or the guest port's own.
    private mutating func mappingSlot(for summary: FrameSummary, to target: TransportAddress) -> UInt32? {
        let key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: .udp)
        if let reference = table.find(key), reference.kind == .udp { return reference.slot }
        if !publishedPorts.isEmpty {
            let guest = TransportAddress(address: summary.source, port: summary.sourcePort)
            if let listener = publishedPorts.listener(of: guest, toward: target.address) {
                let mapping = UDPMapping(
                    key: Self.forwardedKey(summary), now: now, listener: listener, peer: target, isOpenedByGuest: true)
                return insertMapping(mapping, .forwardedUDP)
            }
        }
        let isNameQuery = summary.destinationPort == Self.namePort
        return insertMapping(UDPMapping(key: key, now: now, isNameQuery: isNameQuery), .udp)
    }

    private static func forwardedKey(_ summary: FrameSummary) -> FlowKey {
        FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .udp)
    }

    private mutating func insertMapping(_ mapping: UDPMapping, _ kind: Flow.Kind) -> UInt32? {
        if mappings.count >= configuration.limits.udpMappings || mappings.count >= mappings.capacity,
            mappingEvictions.first != .max
        {
            counters.add(.udpMappingsEvicted)
            removeMapping(slot: mappingEvictions.first)
        }
        guard let handle = mappings.insert(mapping) else {
            counters.add(.droppedTableFull)
            return nil
        }
        guard table.insert(mapping.key, Flow(kind, slot: handle.slot)) else {
            mappings.remove(slot: handle.slot)
            counters.add(.droppedTableFull)
            return nil
        }
        if mapping.isForwarded { forwardedMappings += 1 }
        peers.open(handle.slot)
        mappingEvictions.append(handle.slot)
        counters.add(.udpMappings)
        counters.add(.udpMappingsOpened)
        wheel.schedule(mappingTimers + handle.slot, at: now &+ timeouts.life(of: mapping))
        return handle.slot
    }

    /// Notes that the mapping was used: it becomes the newest. Its timer stays and is looked at when it fires, except
    /// that of a name query, whose life ends sooner with its answer.
    private mutating func touch(_ mapping: UnsafeMutablePointer<UDPMapping>, isFirstAnswer: Bool) {
        let slot = mappings.slot(of: mapping)
        if isFirstAnswer {
            mappingEvictions.answer(slot)
        } else {
            mappingEvictions.touch(slot, isAnswered: mapping.pointee.isAnswered)
        }
        if mapping.pointee.isNameQuery {
            wheel.schedule(mappingTimers + slot, at: mapping.pointee.renewedAt &+ timeouts.life(of: mapping.pointee))
        }
    }

    mutating func runMappingTimer(slot: UInt32) {
        guard let mapping = mappings.pointer(inSlot: slot) else { return }
        let deadline = mapping.pointee.renewedAt &+ timeouts.life(of: mapping.pointee)
        if deadline > now {
            wheel.schedule(mappingTimers + slot, at: deadline)
        } else {
            counters.add(.udpMappingsExpired)
            removeMapping(slot: slot)
        }
    }

    /// Ends a mapping; the owner closes its socket.
    mutating func removeMapping(slot: UInt32) {
        guard let mapping = mappings.pointer(inSlot: slot) else { return }
        if mapping.pointee.isForwarded {
            forwardedMappings -= 1
        } else {
            effects.append(Effect(.closeDatagram, mappings.handle(ofSlot: slot)))
        }
        peers.close(slot, in: &table)
        mappingEvictions.remove(slot, isAnswered: mapping.pointee.isAnswered)
        wheel.cancel(mappingTimers + slot)
        table.remove(mapping.pointee.key)
        mappings.remove(slot: slot)
        counters.add(.udpMappings, -1)
    }

    // MARK: From the host

    /// The host address family of a mapping, for the owner that opens its socket; `nil` when the handle is stale.
    public func mappingIsIPv4(_ handle: Handle) -> Bool? { mappings.pointer(to: handle)?.pointee.key.guest.isIPv4 }

    /// The owner could not open a socket for the mapping: it ends.
    public mutating func datagramSocketFailed(_ handle: Handle) {
        guard mappings.pointer(to: handle) != nil else { return }
        counters.add(.descriptorsExhausted)
        removeMapping(slot: handle.slot)
    }

    /// A datagram for a mapping, or several of `segmentSize` octets each when that is not zero. Takes the lease; the
    /// payload lies behind at least `headroom` octets.
    public mutating func datagramReceived(
        _ handle: Handle, from sender: TransportAddress, _ lease: Lease, offset: Int, length: Int, segmentSize: Int,
        marks: DatagramMarks = DatagramMarks()
    ) {
        guard let mapping = mappings.pointer(to: handle),
            admits(sender, by: mapping.pointee.key, lastTarget: mapping.pointee.peer, policy.udpFiltering)
        else { return release(lease) }
        let isSolicited = policy.udpFiltering != .endpointIndependent
        touch(mapping, isFirstAnswer: mapping.pointee.noteFromHost(now: now, isSolicited: isSolicited))
        sendDatagram(
            to: TransportAddress(address: mapping.pointee.key.guest, port: mapping.pointee.key.guestPort),
            from: TransportAddress(address: addressForGuest(of: sender.address), port: sender.port), lease,
            offset: offset, length: length, segmentSize: segmentSize, marks: marks)
    }

    /// A datagram that a client sent to a published port. Takes the lease.
    ///
    /// - Parameters:
    ///   - listener: the owner's name for the listening socket.
    ///   - local: the host address that the client spoke to.
    ///   - guest: where the port is published to.
    public mutating func forwardedDatagramReceived(
        listener: UInt32, from client: TransportAddress, to local: IPAddress, guest: TransportAddress, _ lease: Lease,
        offset: Int, length: Int, segmentSize: Int, marks: DatagramMarks = DatagramMarks()
    ) {
        let shown = TransportAddress(address: shownToGuest(client.address, by: guest.address), port: client.port)
        let key = FlowKey(
            guest: guest.address, guestPort: guest.port, remote: shown.address, remotePort: shown.port,
            transport: .udp)
        var slot = UInt32.max
        if let reference = table.find(key), reference.kind == .forwardedUDP {
            slot = reference.slot
        } else {
            let mapping = UDPMapping(key: key, now: now, listener: listener, peer: client, isOpenedByGuest: false)
            guard let made = insertMapping(mapping, .forwardedUDP) else { return release(lease) }
            slot = made
        }
        guard let mapping = mappings.pointer(inSlot: slot) else { return release(lease) }
        mapping.pointee.listener = listener
        mapping.pointee.peer = client
        mapping.pointee.local = local
        touch(mapping, isFirstAnswer: mapping.pointee.noteFromHost(now: now, isSolicited: true))
        sendDatagram(
            to: guest, from: shown, lease, offset: offset, length: length, segmentSize: segmentSize, marks: marks)
    }

    /// Where the datagrams of a forwarded mapping go; `nil` when the handle is stale. `local` is unspecified while the
    /// host may choose the address they come from.
    public func forwardedMapping(_ handle: Handle) -> (listener: UInt32, client: TransportAddress, local: IPAddress)? {
        guard let mapping = mappings.pointer(to: handle), mapping.pointee.isForwarded else { return nil }
        return (mapping.pointee.listener, mapping.pointee.peer, mapping.pointee.local)
    }

    /// The mapping of a published port's peer; `nil` when there is none.
    ///
    /// - Parameters:
    ///   - peer: as the host knows it.
    ///   - guest: where the port is published to.
    public func forwardedMapping(of peer: TransportAddress, guest: TransportAddress) -> Handle? {
        let key = FlowKey(
            guest: guest.address, guestPort: guest.port, remote: addressForGuest(of: peer.address),
            remotePort: peer.port, transport: .udp)
        guard let reference = table.find(key), reference.kind == .forwardedUDP else { return nil }
        return mappings.handle(ofSlot: reference.slot)
    }

    // MARK: Published ports

    /// A UDP port is published from now on: what the guest sends first from it leaves through the listener.
    ///
    /// - Parameters:
    ///   - listener: the owner's name for the socket.
    ///   - bound: the host's address that it is bound to.
    ///   - guest: where the port is published to.
    public mutating func datagramPortPublished(_ listener: UInt32, bound: IPAddress, guest: TransportAddress) {
        publishedPorts.add(listener, bound: bound, guest: guest)
        let key = FlowKey(guest: guest.address, guestPort: guest.port, transport: .udp)
        if let reference = table.find(key), reference.kind == .udp { removeMapping(slot: reference.slot) }
    }

    /// A listener is gone: the mappings that answer through it end.
    public mutating func listenerClosed(_ listener: UInt32, guest: TransportAddress) {
        publishedPorts.remove(listener, guest: guest)
        guard forwardedMappings > 0 else { return }
        for slot in 0..<mappings.highWater {
            if let mapping = mappings.pointer(inSlot: slot), mapping.pointee.isForwarded,
                mapping.pointee.listener == listener
            {
                removeMapping(slot: slot)
            }
        }
    }
}
