internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// Datagrams from the host's side, and errors about datagrams of the guest.
extension UDP {
    /// The shard could not open a socket for the mapping: the mapping ends.
    mutating func socketFailed(_ handle: Handle, _ core: inout StackCore) {
        guard mappings.pointer(to: handle) != nil else { return }
        core.counters.add(.descriptorsExhausted)
        remove(slot: handle.slot, &core)
    }

    /// Passes a datagram, or several in one buffer, from a mapping's socket to the guest, if the filter and the
    /// policy admit the sender. Takes ownership of the lease.
    mutating func received(
        _ handle: Handle, from peer: TransportAddress, _ payload: DatagramPayload, _ marks: DatagramMarks,
        _ sender: inout DatagramSender, _ core: inout StackCore
    ) {
        let filtering = core.policy.udpFiltering
        guard let mapping = mappings.pointer(to: handle),
            core.admits(peer, by: mapping.pointee.key, lastTarget: mapping.pointee.peer, filtering)
        else { return core.release(payload.lease) }
        let isSolicited = filtering != .endpointIndependent
        touch(mapping, isFirstAnswer: mapping.pointee.noteFromHost(now: core.now, isSolicited: isSolicited), &core)
        let shown = TransportAddress(address: core.plan.addressForGuest(of: peer.address), port: peer.port)
        sender.send(payload, from: shown, to: mapping.pointee.guest, marks, &core)
    }

    /// Passes to the guest a datagram that a client sent to a published port. Takes ownership of the lease.
    ///
    /// - Parameters:
    ///   - listener: the shard's identifier for the listening socket.
    ///   - local: the host address that the client sent to.
    ///   - guest: the guest's address and port to which the port is published.
    mutating func receivedForwarded(
        _ listener: UInt32, from client: TransportAddress, to local: IPAddress, guest: TransportAddress,
        _ payload: DatagramPayload, _ marks: DatagramMarks, _ sender: inout DatagramSender, _ core: inout StackCore
    ) {
        let shown = TransportAddress(
            address: core.plan.shownToGuest(client.address, by: guest.address), port: client.port)
        let key = FlowKey(
            guest: guest.address, guestPort: guest.port, remote: shown.address, remotePort: shown.port,
            transport: .udp)
        var slot = SlotList.none
        if let reference = core.table.find(key), reference.kind == .forwardedUDP {
            slot = reference.slot
        } else {
            let mapping = UDPMapping(
                key: key, now: core.now, listener: listener, peer: client, isOpenedByGuest: false)
            guard let made = insert(mapping, .forwardedUDP, &core) else { return core.release(payload.lease) }
            slot = made
        }
        guard let mapping = mappings.pointer(inSlot: slot) else { return core.release(payload.lease) }
        mapping.pointee.listener = listener
        mapping.pointee.peer = client
        mapping.pointee.local = local
        touch(mapping, isFirstAnswer: mapping.pointee.noteFromHost(now: core.now, isSolicited: true), &core)
        sender.send(payload, from: shown, to: guest, marks, &core)
    }

    /// The listener and the addresses for datagrams of a forwarded mapping; `nil` if the handle is stale or of an
    /// ordinary mapping. `local` is the source address. Until the client has sent a datagram, `local` is unspecified
    /// and the host's kernel chooses the source.
    func forwarded(_ handle: Handle) -> (listener: UInt32, client: TransportAddress, local: IPAddress)? {
        guard let mapping = mappings.pointer(to: handle), mapping.pointee.isForwarded else { return nil }
        return (mapping.pointee.listener, mapping.pointee.peer, mapping.pointee.local)
    }

    /// The mapping of a published port's peer; `nil` if there is none.
    ///
    /// - Parameters:
    ///   - peer: the peer's address as the host knows it.
    ///   - guest: the guest's address and port to which the port is published.
    mutating func forwarded(
        of peer: TransportAddress, guest: TransportAddress, _ core: inout StackCore
    ) -> Handle? {
        let key = FlowKey(
            guest: guest.address, guestPort: guest.port,
            remote: core.plan.shownToGuest(peer.address, by: guest.address), remotePort: peer.port, transport: .udp)
        guard let reference = core.table.find(key), reference.kind == .forwardedUDP else { return nil }
        return mappings.handle(ofSlot: reference.slot)
    }

    // MARK: Published ports

    /// A UDP port is published. From now on, datagrams that the guest sends from the port leave through the listener,
    /// even to peers that have sent nothing yet, if the listener can send to them. The mapping that the port had until
    /// now ends.
    ///
    /// - Parameters:
    ///   - listener: the shard's identifier for the socket.
    ///   - bound: the host address that the socket is bound to.
    ///   - guest: the guest's address and port to which the port is published.
    mutating func portPublished(
        _ listener: UInt32, bound: IPAddress, guest: TransportAddress, _ core: inout StackCore
    ) {
        publishedPorts.add(listener, bound: bound, guest: guest)
        let key = FlowKey(guest: guest.address, guestPort: guest.port, transport: .udp)
        if let reference = core.table.find(key), reference.kind == .udp { remove(slot: reference.slot, &core) }
    }

    /// A listener is closed: its mappings end.
    mutating func listenerClosed(_ listener: UInt32, guest: TransportAddress, _ core: inout StackCore) {
        publishedPorts.remove(listener, guest: guest)
        guard forwardedCount > 0 else { return }
        for slot in 0..<mappings.highWater {
            if let mapping = mappings.pointer(inSlot: slot), mapping.pointee.isForwarded,
                mapping.pointee.listener == listener
            {
                remove(slot: slot, &core)
            }
        }
    }

    // MARK: Errors

    /// A datagram of a mapping failed: the guest gets an ICMP error.
    ///
    /// - Parameters:
    ///   - target: the datagram's destination, as the host sees it.
    ///   - router: the address that reported the error, or `nil` for the gateway.
    ///   - payload: the known part of the datagram's payload.
    mutating func failed(
        _ handle: Handle, to target: TransportAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        payload: UnsafeRawBufferPointer, _ core: inout StackCore
    ) {
        guard let mapping = mappings.pointer(to: handle) else { return }
        let guest = mapping.pointee.guest
        let shown = TransportAddress(
            address: core.plan.shownToGuest(target.address, by: guest.address), port: target.port)
        core.counters.add(.udpSendFailed)
        // The client of a published port may have an address of the other family, whose errors differ.
        let isTranslated = target.address.isIPv4 != guest.address.isIPv4
        let shownReason = isTranslated ? reason.translated(fromIPv4: target.address.isIPv4) : reason
        guard let shownReason, let packet = FailedPacket(udpFrom: guest, to: shown, payload: payload) else { return }
        let shownRouter = router.map { core.plan.shownToGuest($0, by: guest.address) }
        core.sendError(shownReason, from: shownRouter, about: packet)
    }

    /// The guest, or a router behind it, reports by ICMP that a datagram was not delivered. Errors about datagrams of
    /// no mapping are ignored.
    mutating func returned(_ error: GuestError, _ sender: inout DatagramSender, _ core: inout StackCore) {
        let quoted = error.quoted
        let key = FlowKey(
            guest: quoted.destination, guestPort: quoted.destinationPort, remote: quoted.source,
            remotePort: quoted.sourcePort, transport: .udp)
        let reference = core.table.find(key) ?? core.table.find(error.flowKey)
        guard let reference, reference.kind == .udp || reference.kind == .forwardedUDP,
            let mapping = mappings.pointer(inSlot: reference.slot)
        else { return }
        switch error.reason {
        case .packetTooBig(let mtu): sender.note(mtu: mtu, toward: quoted.destination, now: core.now)
        case .portUnreachable, .unreachable:
            if mapping.pointee.isForwarded {
                refuse(reference.slot, &core)
            } else if error.reason == .portUnreachable, mapping.pointee.peer.port == quoted.sourcePort,
                core.plan.addressForGuest(of: mapping.pointee.peer.address) == quoted.source
            {
                // The guest has closed the socket that sent to this peer last. The mapping and its socket on the host
                // are closed, too, so that the host's kernel reports a closed port to the peer. An error about another
                // peer may come from a connected socket of the guest and is ignored.
                remove(slot: reference.slot, &core)
            }
        case .other: break
        }
    }

    /// Reports a closed port to the client of a published port, at a limited rate. Unreachable errors of any code from
    /// the guest are reported as a closed port, because the client sends to the host and does not know of the guest.
    private mutating func refuse(_ slot: UInt32, _ core: inout StackCore) {
        guard refusalBucket.take(now: core.now) else { return core.counters.add(.udpRefusalsNotPassedOn) }
        core.effects.append(Effect(.refuseDatagram, mappings.handle(ofSlot: slot)))
    }
}
