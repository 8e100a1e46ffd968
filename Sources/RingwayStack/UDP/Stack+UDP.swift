public import RingwayStorage
public import RingwayWire

/// Datagrams from the guest, and the life of mappings.
extension Stack {
    /// Takes the lease.
    mutating func receiveUDP(_ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer) {
        var target: TransportAddress
        switch destination(of: summary.destination) {
        case .gateway:
            if summary.destinationPort == 53 {
                receiveQuery(summary, lease)
            } else {
                sendError(.portUnreachable, about: bytes, summary)
                release(lease)
            }
            return
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
        var kind = Effect.Kind.sendDatagram
        var slot: UInt32
        if let forwarded = findForwarded(summary), let mapping = mappings.pointer(inSlot: forwarded) {
            kind = .sendForwardedDatagram
            slot = forwarded
            target = mapping.pointee.client
            mapping.pointee.isTwoWay = true
            touch(mapping)
        } else {
            guard let found = mapping(for: summary) else { return release(lease) }
            slot = found
        }
        guard let hopLimit = hopLimitBeyondGateway(summary, bytes) else { return release(lease) }
        counters.add(.udpToHost)
        var effect = Effect(kind, slot: slot, length: summary.payloadLength)
        effect.generation = mappings.handle(ofSlot: slot).generation
        effect.lease = lease
        effect.offset = UInt32(summary.payloadOffset) + UInt32(VirtioNetHeader.length)
        effect.segmentSize = summary.segmentSize
        effect.hopLimit = hopLimit
        effect.trafficClass = summary.trafficClass
        effect.address = target
        effects.append(effect)
    }

    private mutating func findForwarded(_ summary: FrameSummary) -> UInt32? {
        guard forwardedMappings > 0 else { return nil }
        let key = FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .udp)
        guard let reference = table.find(key), reference.kind == .forwardedUDP else { return nil }
        return reference.slot
    }

    /// The guest port's mapping, made when there is none.
    private mutating func mapping(for summary: FrameSummary) -> UInt32? {
        let key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: .udp)
        let isNameQuery = summary.destinationPort == 53
        if let reference = table.find(key), reference.kind == .udp,
            let mapping = mappings.pointer(inSlot: reference.slot)
        {
            if !isNameQuery { mapping.pointee.isNameQuery = false }
            touch(mapping)
            return reference.slot
        }
        return insertMapping(UDPMapping(key: key, now: now, isNameQuery: isNameQuery), .udp)
    }

    private mutating func insertMapping(_ mapping: UDPMapping, _ kind: Flow.Kind) -> UInt32? {
        if mappings.count >= configuration.limits.udpMappings || mappings.count >= mappings.capacity,
            mappingsByAge.oldest != .max
        {
            counters.add(.udpMappingsEvicted)
            removeMapping(slot: mappingsByAge.oldest)
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
        mappingsByAge.append(handle.slot)
        counters.add(.udpMappings)
        counters.add(.udpMappingsOpened)
        wheel.schedule(mappingTimers + handle.slot, at: now &+ mapping.patience)
        return handle.slot
    }

    /// Notes that the mapping was used: it becomes the newest. Its timer stays and is looked at when it fires.
    private mutating func touch(_ mapping: UnsafeMutablePointer<UDPMapping>) {
        mapping.pointee.usedAt = now
        mappingsByAge.touch(mappings.slot(of: mapping))
    }

    mutating func runMappingTimer(slot: UInt32) {
        guard let mapping = mappings.pointer(inSlot: slot) else { return }
        let deadline = mapping.pointee.usedAt &+ mapping.pointee.patience
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
            var effect = Effect(.closeDatagram, slot: slot)
            effect.generation = mappings.handle(ofSlot: slot).generation
            effects.append(effect)
        }
        mappingsByAge.remove(slot)
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
        _ handle: Handle, from sender: TransportAddress, _ lease: Lease, offset: Int, length: Int, segmentSize: Int
    ) {
        guard let mapping = mappings.pointer(to: handle) else { return release(lease) }
        mapping.pointee.isTwoWay = true
        touch(mapping)
        sendDatagram(
            to: TransportAddress(address: mapping.pointee.key.guest, port: mapping.pointee.key.guestPort),
            from: TransportAddress(address: addressForGuest(of: sender.address), port: sender.port), lease,
            offset: offset, length: length, segmentSize: segmentSize)
    }

    /// A datagram that a client sent to a published port. Takes the lease.
    ///
    /// - Parameters:
    ///   - listener: the owner's name for the listening socket.
    ///   - local: the host address that the client spoke to.
    ///   - guest: where the port is published to.
    public mutating func forwardedDatagramReceived(
        listener: UInt32, from client: TransportAddress, to local: IPAddress, guest: TransportAddress, _ lease: Lease,
        offset: Int, length: Int, segmentSize: Int
    ) {
        let shown = TransportAddress(address: addressForGuest(of: client.address), port: client.port)
        let key = FlowKey(
            guest: guest.address, guestPort: guest.port, remote: shown.address, remotePort: shown.port,
            transport: .udp)
        if let reference = table.find(key), reference.kind == .forwardedUDP,
            let mapping = mappings.pointer(inSlot: reference.slot)
        {
            mapping.pointee.listener = listener
            mapping.pointee.client = client
            mapping.pointee.local = local
            touch(mapping)
        } else {
            var mapping = UDPMapping(key: key, now: now, isNameQuery: false)
            mapping.isForwarded = true
            mapping.listener = listener
            mapping.client = client
            mapping.local = local
            guard insertMapping(mapping, .forwardedUDP) != nil else { return release(lease) }
            forwardedMappings += 1
        }
        sendDatagram(to: guest, from: shown, lease, offset: offset, length: length, segmentSize: segmentSize)
    }

    /// Where the answer of a forwarded mapping goes; `nil` when the handle is stale.
    public func forwardedMapping(_ handle: Handle) -> (listener: UInt32, client: TransportAddress, local: IPAddress)? {
        guard let mapping = mappings.pointer(to: handle), mapping.pointee.isForwarded else { return nil }
        return (mapping.pointee.listener, mapping.pointee.client, mapping.pointee.local)
    }

    /// A listener is gone: the mappings that answer through it end.
    public mutating func listenerClosed(_ listener: UInt32) {
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
