public import RingwayStorage
public import RingwayWire

/// Echo requests from the guest: the gateway answers its own, a ping socket carries the others.
extension Stack {
    /// Takes the lease.
    mutating func receiveICMP(_ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer) {
        let message = UnsafeRawBufferPointer(
            rebasing: bytes[Int(summary.transportOffset)..<Int(summary.payloadOffset) + Int(summary.payloadLength)])
        guard let header = ICMPv4Header(message),
            header.type == (summary.isIPv6 ? ICMPv6Header.echoRequest : ICMPv4Header.echoRequest)
        else {
            receiveGuestError(summary, bytes)
            return release(lease)
        }
        let target: IPAddress
        switch destination(of: summary.destination) {
        case .gateway:
            answerEcho(summary, bytes, message)
            return release(lease)
        case .host(let address): target = address
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
        guard let hopLimit = hopLimitBeyondGateway(summary, bytes) else { return release(lease) }
        guard let slot = pingMapping(for: summary, to: target) else { return release(lease) }
        counters.add(.pingToHost)
        var effect = Effect(.sendEcho, pings.handle(ofSlot: slot))
        effect.lease = lease
        effect.length = UInt32(message.count)
        effect.offset = UInt32(summary.transportOffset) + UInt32(VirtioNetHeader.length)
        effect.hopLimit = hopLimit
        effect.trafficClass = summary.trafficClass
        if summary.dontFragment { effect.options = .dontFragment }
        effect.address = TransportAddress(address: target, port: 0)
        effects.append(effect)
    }

    private mutating func answerEcho(
        _ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer, _ message: UnsafeRawBufferPointer
    ) {
        if Int(summary.transportOffset - summary.networkOffset) + message.count <= plan.mtu {
            guard let answer = prepareAnswer(limit: bytes.count) else { return }
            let written = echo.respond(to: bytes, summary, into: answer.room)
            return sendAnswer(answer.lease, octets: written, .echoAnswers)
        }
        // The request came in fragments, and so does the answer.
        let scratch = leaseForFrame(octets: message.count)
        guard !scratch.isNone else { return }
        let room = UnsafeMutableRawBufferPointer(start: space.address(of: scratch), count: space.size(of: scratch))
        let written = echo.answer(to: message, summary, into: room)
        if written > 0 {
            counters.add(.echoAnswers)
            sendInFragments(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[..<written]), from: summary.destination,
                to: summary.source, summary.protocolNumber, DatagramMarks())
        }
        release(scratch)
    }

    private mutating func pingMapping(for summary: FrameSummary, to target: IPAddress) -> UInt32? {
        let transport: Transport = summary.isIPv6 ? .icmpv6 : .icmp
        let key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: transport)
        if let reference = table.find(key), reference.kind == .ping,
            let ping = pings.pointer(inSlot: reference.slot)
        {
            ping.pointee.usedAt = now
            noteTarget(target, of: ping)
            pingsByAge.touch(reference.slot)
            return reference.slot
        }
        if pings.count >= pings.capacity, pingsByAge.oldest != .max {
            counters.add(.pingMappingsEvicted)
            removePing(slot: pingsByAge.oldest)
        }
        guard let handle = pings.insert(PingMapping(key: key, usedAt: now, target: target)) else { return nil }
        guard table.insert(key, Flow(.ping, slot: handle.slot)) else {
            pings.remove(slot: handle.slot)
            counters.add(.droppedTableFull)
            return nil
        }
        peers.open(peerOwner(ofPing: handle.slot))
        pingsByAge.append(handle.slot)
        counters.add(.pingMappings)
        wheel.schedule(pingTimers + handle.slot, at: now &+ timeouts.ping)
        return handle.slot
    }

    /// The guest pings `target`, which may answer from now on.
    private mutating func noteTarget(_ target: IPAddress, of ping: UnsafeMutablePointer<PingMapping>) {
        let last = ping.pointee.target
        guard last != target else { return }
        ping.pointee.target = target
        let owner = peerOwner(ofPing: pings.slot(of: ping))
        notePeer(ping.pointee.key.peer(last, port: 0), of: owner)
        notePeer(ping.pointee.key.peer(target, port: 0), of: owner)
    }

    /// Pings come after the mappings among the owners of peers.
    private func peerOwner(ofPing slot: UInt32) -> UInt32 { UInt32(mappings.capacity) + slot }

    mutating func runPingTimer(slot: UInt32) {
        guard let ping = pings.pointer(inSlot: slot) else { return }
        let deadline = ping.pointee.usedAt &+ timeouts.ping
        if deadline > now {
            wheel.schedule(pingTimers + slot, at: deadline)
        } else {
            removePing(slot: slot)
        }
    }

    mutating func removePing(slot: UInt32) {
        guard let ping = pings.pointer(inSlot: slot) else { return }
        effects.append(Effect(.closeEcho, pings.handle(ofSlot: slot)))
        peers.close(peerOwner(ofPing: slot), in: &table)
        pingsByAge.remove(slot)
        wheel.cancel(pingTimers + slot)
        table.remove(ping.pointee.key)
        pings.remove(slot: slot)
        counters.add(.pingMappings, -1)
    }

    // MARK: From the host

    /// The key of a ping, for the owner that opens its socket; `nil` when the handle is stale.
    public func pingKey(_ handle: Handle) -> FlowKey? { pings.pointer(to: handle)?.pointee.key }

    /// The owner has no way to ping: the guest is told that it is not permitted.
    public mutating func pingRefused(
        _ handle: Handle, to target: IPAddress, _ lease: Lease, offset: Int, length: Int
    ) {
        defer { release(lease) }
        guard pings.pointer(to: handle) != nil else { return }
        let message = UnsafeRawBufferPointer(start: space.address(of: lease) + offset, count: length)
        pingFailed(handle, to: target, .administrativelyProhibited, from: nil, message: message)
    }

    /// An echo reply: the whole ICMP message, `offset` into the buffer behind at least `headroom` octets. Takes the lease.
    public mutating func echoReceived(
        _ handle: Handle, from sender: IPAddress, _ lease: Lease, offset: Int, length: Int, hopLimit: UInt8
    ) {
        defer { release(lease) }
        guard let ping = pings.pointer(to: handle), length >= ICMPv4Header.length else { return }
        let key = ping.pointee.key
        let source = addressForGuest(of: sender)
        guard source.isIPv4 == key.guest.isIPv4,
            admits(
                TransportAddress(address: sender, port: 0), by: key,
                lastTarget: TransportAddress(address: ping.pointee.target, port: 0), .address)
        else { return }
        counters.add(.pingFromHost)
        let base = space.address(of: lease) + offset
        let message = UnsafeMutableRawBufferPointer(start: base, count: length)
        // The host's kernel put its own identifier in; the guest knows another.
        base.storeBytes(of: key.guestPort.bigEndian, toByteOffset: 4, as: UInt16.self)
        base.storeBytes(of: 0, toByteOffset: ICMPv4Header.checksumOffset, as: UInt16.self)
        let checksum =
            key.guest.isIPv4
            ? Checksum.finish(Checksum.partial(UnsafeRawBufferPointer(message)))
            : Checksum.transport(
                UnsafeRawBufferPointer(message), source: source, destination: key.guest,
                protocolNumber: IPProtocol.icmpv6)
        base.storeBytes(of: checksum, toByteOffset: ICMPv4Header.checksumOffset, as: UInt16.self)
        sendInFragments(
            UnsafeRawBufferPointer(message), from: source, to: key.guest,
            key.guest.isIPv4 ? IPProtocol.icmp : IPProtocol.icmpv6, DatagramMarks(hopLimit: max(1, hopLimit)))
    }

    /// An echo request went no further: the guest is told by whom and why.
    ///
    /// - Parameter message: the ICMP message as the host's kernel gives it back.
    public mutating func pingFailed(
        _ handle: Handle, to target: IPAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        message: UnsafeRawBufferPointer
    ) {
        guard let ping = pings.pointer(to: handle), let header = ICMPv4Header(message) else { return }
        let key = ping.pointee.key
        guard
            let packet = FailedPacket(
                echoFrom: key.guest, to: addressForGuest(of: target), identifier: key.guestPort,
                sequence: header.sequence, payload: header.payload)
        else { return }
        sendError(reason, from: router, about: packet)
    }
}
