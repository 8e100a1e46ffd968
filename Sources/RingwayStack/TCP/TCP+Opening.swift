internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// The opening of TCP connections, from either side.
extension TCP {
    /// Handles a SYN from the guest for a tuple without a connection. SYN-ACK is sent only when the host socket has
    /// connected.
    ///
    /// - Parameter frame: points to the frame's ethernet header; an ICMP error quotes the frame.
    @inline(never)
    mutating func openFromGuest(
        _ summary: FrameSummary, _ header: TCPHeader, _ frame: UnsafeRawPointer, _ core: inout StackCore
    ) {
        let key = Self.key(of: summary)
        let target: TransportAddress
        var service = false
        switch core.destination(of: summary.destination) {
        case .gateway:
            guard summary.destinationPort == 53 else { return refuseSegment(summary, header, &core) }
            target = TransportAddress(address: summary.destination, port: 53)
            service = true
        case .host(let address):
            target = TransportAddress(address: address, port: summary.destinationPort)
        case .refused:
            core.counters.add(.droppedPolicy)
            return refuseSegment(summary, header, &core)
        case .absent:
            return core.sendError(.hostUnreachable, from: nil, aboutSYNOf: key, sequence: header.sequence)
        case .unroutable:
            return core.counters.add(.droppedForeignDestination)
        }
        guard let options = TCPOptions.parse(header.options) else {
            return core.counters.addRefused(reason: DropReason.badTCPOptions.rawValue)
        }
        let bytes = UnsafeRawBufferPointer(
            start: frame, count: Int(summary.payloadOffset) &+ Int(summary.payloadLength))
        guard let hopLimit = core.hopLimitBeyondGateway(summary, bytes) else { return }
        if halfOpen.ofGuest.count >= halfOpen.limit { endOldestHalfOpen(halfOpen.ofGuest.oldest, &core) }
        guard let handle = insertConnection(key, .connecting, hostAddress: target, &core),
            let flow = connections.pointer(to: handle)
        else {
            return core.counters.add(.droppedTableFull)
        }
        acceptOptions(flow, options, of: header, &core)
        flow.pointee.receive.begin(at: header.sequence)
        flow.pointee.send.takeFirstWindow(header)
        flow.pointee.classFromGuest = summary.trafficClass & 0xFC
        setInitialSequence(flow, &core)
        beginHalfOpen(flow, &core)
        core.counters.add(.tcpOpenedByGuest)
        if service { flow.pointee.marks.insert(.service) }
        var effect = Effect(service ? .connectService : .connectStream, handle)
        effect.address = target
        effect.hopLimit = hopLimit
        effect.trafficClass = flow.pointee.classFromGuest
        effect.sourcePort = key.guestPort
        core.effects.append(effect)
    }

    /// Opens a connection for a client of a published port: sends SYN to the guest, from the client's address, or
    /// from the network's host address if the guest could not reply to the client's.
    ///
    /// - Parameters:
    ///   - client: the peer of the accepted socket.
    ///   - guest: the guest's address and port.
    ///   - trust: how likely it is that the guest has that address. If the address does not answer and `trust` is not
    ///     `certain`, the effect `guestSilent` returns the client's socket.
    ///   - trafficClass: the traffic class of the client's segments.
    /// - Returns: the connection, or `nil` if it cannot be opened; the caller then resets the socket.
    mutating func openFromHost(
        client: TransportAddress, guest: TransportAddress, trust: GuestTrust, trafficClass: UInt8,
        _ core: inout StackCore
    ) -> Handle? {
        guard let key = keyForClient(client, guest, &core) else {
            core.counters.add(.forwardsRefused)
            return nil
        }
        if halfOpen.ofHost.count >= halfOpen.limit { endOldestHalfOpen(halfOpen.ofHost.oldest, &core) }
        guard let handle = insertConnection(key, .synSent, hostAddress: client, &core),
            let flow = connections.pointer(to: handle)
        else {
            core.counters.add(.droppedTableFull)
            return nil
        }
        flow.pointee.marks.insert([.openedByHost, .socket])
        flow.pointee.classToGuest = trafficClass & 0xFC
        flow.pointee.trust = trust
        setInitialSequence(flow, &core)
        flow.pointee.optionLength = UInt8(TimestampOption.paddedLength)
        beginHalfOpen(flow, &core)
        core.counters.add(.tcpOpenedByHost)
        sendSYN(flow, &core)
        flow.pointee.send.nxt = flow.pointee.send.una.advanced(by: 1)
        flow.pointee.watch.scheduleQuery(at: core.now &+ TCPBounds.clientWatch)
        startRetransmissionTimer(flow, &core)
        return handle
    }

    /// A client has sent FIN and no data before the guest answered. It may still read the answer, but no further SYN is
    /// sent for it.
    mutating func clientEnded(_ handle: Handle) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .synSent else { return }
        flow.pointee.marks.insert(.clientGone)
    }

    /// The most other source ports to try for a client that appears under the network's host address, if another
    /// connection has the client's own port there.
    private static var otherPorts: Int { 64 }

    /// The tuple of a client's connection; an old connection in TIME-WAIT that has this tuple is removed. `nil` if
    /// each tuple that was tried is in use, or belongs to another shard.
    private mutating func keyForClient(
        _ client: TransportAddress, _ guest: TransportAddress, _ core: inout StackCore
    ) -> FlowKey? {
        let shown = core.plan.shownToGuest(client.address, by: guest.address)
        let own = FlowKey(client: shown, client.port, of: guest)
        if takesOver(own, &core) { return own }
        // Several clients may appear to the guest under the host's address, and their own ports may coincide. Only such
        // a client gets another port.
        guard shown != client.address else { return nil }
        var port = client.port
        for _ in 0..<Self.otherPorts {
            port = port &* 25_173 &+ 13_849
            let key = FlowKey(client: shown, max(port, 1_024), of: guest)
            if core.isOurs(key), takesOver(key, &core) { return key }
        }
        return nil
    }

    /// Whether the tuple is free. If a connection in TIME-WAIT has it, that connection is removed first.
    private mutating func takesOver(_ key: FlowKey, _ core: inout StackCore) -> Bool {
        guard let old = core.table.find(key) else { return true }
        guard old.kind == .tcp, let stale = connections.pointer(inSlot: old.slot), stale.pointee.state == .timeWait
        else { return false }
        forgetGuest(stale, &core)
        return true
    }

    mutating func beginHalfOpen(_ flow: TCPFlow, _ core: inout StackCore) {
        core.counters.add(.tcpHalfOpen)
        halfOpen.append(
            connections.slot(of: flow), isOpenedByHost: flow.pointee.marks.contains(.openedByHost))
    }

    mutating func endHalfOpen(_ flow: TCPFlow, _ core: inout StackCore) {
        core.counters.add(.tcpHalfOpen, -1)
        halfOpen.remove(
            connections.slot(of: flow), isOpenedByHost: flow.pointee.marks.contains(.openedByHost))
    }

    /// Ends the oldest half-open connection, so that unanswered connects cannot exclude new ones. If the guest opened
    /// the connection, it gets no RST, as from a NAT with a full table, and may repeat its SYN.
    private mutating func endOldestHalfOpen(_ slot: UInt32, _ core: inout StackCore) {
        guard let oldest = connections.pointer(inSlot: slot) else {
            preconditionFailure("connects are counted that are not listed")
        }
        core.counters.add(.tcpHalfOpenEvicted)
        abort(oldest, towardGuest: oldest.pointee.marks.contains(.openedByHost), towardHost: true, &core)
    }

    private mutating func insertConnection(
        _ key: FlowKey, _ state: TCPState, hostAddress: TransportAddress, _ core: inout StackCore
    ) -> Handle? {
        let connection = TCPConnection(
            key: key, state: state, hostAddress: hostAddress, congestion: core.configuration.congestion, now: core.now)
        guard let handle = connections.insert(connection) else { return nil }
        guard core.table.insert(key, Flow(.tcp, slot: handle.slot)) else {
            connections.remove(slot: handle.slot)
            return nil
        }
        core.counters.add(.tcpFlows)
        return handle
    }

    /// Sets the initial sequence number, a keyed hash of the tuple plus a clock (RFC 6528), and the timestamp offset.
    /// The clock must advance faster than the connection's bytes, so that the next connection of the tuple starts
    /// beyond them. Ticks of 64 ns, as in Linux, suffice up to 125 Mb/s, the RFC's 4 µs up to 2 Mb/s.
    private mutating func setInitialSequence(_ flow: TCPFlow, _ core: inout StackCore) {
        var hasher = SipHash(secret: secret, purpose: 0x5851_F42D_4C95_7F2D)
        flow.pointee.key.addWords(to: &hasher)
        let hash = hasher.finish()
        flow.pointee.send.begin(
            at: SequenceNumber(UInt32(truncatingIfNeeded: hash) &+ UInt32(truncatingIfNeeded: core.now >> 6)))
        flow.pointee.timestamps.begin(offset: UInt32(truncatingIfNeeded: hash >> 32))
    }

    /// Applies the options of the guest's SYN or SYN-ACK, in place of those of an earlier SYN.
    mutating func acceptOptions(
        _ flow: TCPFlow, _ options: TCPOptions, of header: TCPHeader, _ core: inout StackCore
    ) {
        let ipv4 = flow.pointee.key.remote.isIPv4
        let own = Self.ownSegmentSize(isIPv4: ipv4, core.plan.mtu)
        flow.pointee.marks.remove(.sack)
        flow.pointee.send.scale = 0
        flow.pointee.receive.scale = 0
        // RFC 9293 §3.7.1: without the option the MSS is 536 (IPv4) or 1220 (IPv6). The minimum keeps a hostile guest
        // from requesting one-byte segments.
        let offered = options.maximumSegmentSize.map(Int.init) ?? (ipv4 ? 536 : 1_220)
        var size = UInt16(clamping: max(88, min(offered, own)))
        flow.pointee.optionLength = 0
        if let stamp = options.timestamps {
            flow.pointee.optionLength = UInt8(TimestampOption.paddedLength)
            size -= UInt16(TimestampOption.paddedLength)
            flow.pointee.timestamps.accept(stamp.value, inSYNAt: header.sequence, now: core.now)
        }
        flow.pointee.setSegmentSize(size)
        if let scale = options.windowScale {
            flow.pointee.send.scale = min(scale, 14)
            flow.pointee.receive.scale = TCPBounds.windowScale
        }
        if options.sackPermitted { flow.pointee.marks.insert(.sack) }
    }

    // MARK: The host's answer to connectStream and connectService

    /// The shard has opened a socket for the connection. `socket` identifies it in later effects.
    mutating func streamOpened(_ handle: Handle, socket: UInt32) {
        guard let flow = connections.pointer(to: handle) else { return }
        flow.pointee.socket = socket
        flow.pointee.marks.insert(.socket)
    }

    /// The host socket is connected: sends SYN-ACK.
    mutating func streamConnected(_ handle: Handle, _ core: inout StackCore) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .connecting else { return }
        flow.pointee.state = .synReceived
        flow.pointee.watch.segmentReceived(now: core.now)
        sendSYN(flow, &core)
        flow.pointee.send.nxt = flow.pointee.send.una.advanced(by: 1)
        startRetransmissionTimer(flow, &core)
    }

    /// A router or the host has reported why the connect failed: the guest gets the same error from the same address.
    /// The shard has closed the socket.
    mutating func streamConnectReported(
        _ handle: Handle, _ reason: ICMPError.Reason, from router: IPAddress?, _ core: inout StackCore
    ) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .connecting else { return }
        flow.pointee.marks.remove(.socket)
        core.counters.add(.tcpUnreachable)
        let shown = router.map { core.plan.addressForGuest(of: $0) }
        core.sendError(reason, from: shown, aboutSYNOf: flow.pointee.key, sequence: flow.pointee.receive.initial)
        removeConnection(flow, &core)
    }

    /// The connect failed: the guest gets RST or an ICMP error, or no reply if the connect timed out or the host's
    /// resources are exhausted. The shard has closed the socket, if there is one.
    mutating func streamConnectFailed(_ handle: Handle, _ failure: ConnectFailure, _ core: inout StackCore) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .connecting else { return }
        flow.pointee.marks.remove(.socket)
        switch failure {
        case .refused:
            core.counters.add(.tcpRefused)
            sendReset(flow, &core)
        case .hostUnreachable:
            sendUnreachable(flow, .hostUnreachable, &core)
        case .networkUnreachable:
            sendUnreachable(flow, .networkUnreachable, &core)
        case .prohibited:
            sendUnreachable(flow, .administrativelyProhibited, &core)
        case .timedOut:
            core.counters.add(.tcpTimedOut)
        case .exhausted:
            // No reply, as from a congested network; the guest repeats its SYN.
            core.counters.add(.descriptorsExhausted)
        case .beyondShare:
            // RST rather than silence: repeated SYNs would fail as well while the guest's other flows last.
            core.counters.add(.descriptorsExhausted)
            sendReset(flow, &core)
        }
        removeConnection(flow, &core)
    }

    private mutating func sendUnreachable(_ flow: TCPFlow, _ reason: ICMPError.Reason, _ core: inout StackCore) {
        core.counters.add(.tcpUnreachable)
        core.sendError(reason, from: nil, aboutSYNOf: flow.pointee.key, sequence: flow.pointee.receive.initial)
    }
}
