public import RingwayStorage
public import RingwayWire

/// How TCP connections begin, from either side.
extension Stack {
    /// A SYN from the guest for a tuple that has no connection: connect first, SYN-ACK after.
    ///
    /// - Parameter frame: the frame's ethernet header, for the error that a SYN may be worth.
    mutating func openFromGuest(
        _ summary: FrameSummary, _ header: TCPHeader, _ key: FlowKey, _ frame: UnsafeRawPointer
    ) {
        let target: TransportAddress
        var service = false
        switch destination(of: summary.destination) {
        case .gateway:
            guard summary.destinationPort == 53 else { return refuseSegment(summary, header) }
            target = TransportAddress(address: summary.destination, port: 53)
            service = true
        case .host(let address):
            target = TransportAddress(address: address, port: summary.destinationPort)
        case .refused:
            counters.add(.droppedPolicy)
            return refuseSegment(summary, header)
        case .absent:
            return sendUnreachable(about: summary, .host)
        case .unroutable:
            return counters.add(.droppedForeignDestination)
        }
        guard let options = TCPOptions.parse(header.options) else {
            return counters.addRefused(reason: DropReason.badTCPOptions.rawValue)
        }
        let bytes = UnsafeRawBufferPointer(
            start: frame, count: Int(summary.payloadOffset) &+ Int(summary.payloadLength))
        guard let hopLimit = hopLimitBeyondGateway(summary, bytes) else { return }
        if halfOpen.ofGuest.count >= halfOpen.limit { endOldestHalfOpen(halfOpen.ofGuest.oldest) }
        let opening = TCPConnection(key: key, state: .connecting, hostAddress: target, now: now)
        guard let handle = insertConnection(opening), let flow = connections.pointer(to: handle) else {
            return counters.add(.droppedTableFull)
        }
        acceptOptions(flow, options, of: header)
        flow.pointee.initialReceive = header.sequence
        flow.pointee.rcvNxt = header.sequence.advanced(by: 1)
        flow.pointee.rcvEdge = flow.pointee.rcvNxt
        flow.pointee.sndWindow = UInt32(header.window)
        flow.pointee.sndWindowMaximum = flow.pointee.sndWindow
        flow.pointee.sndWl1 = header.sequence
        flow.pointee.heardAt = now
        flow.pointee.classFromGuest = summary.trafficClass & 0xFC
        setInitialSequence(flow)
        beginHalfOpen(flow)
        counters.add(.tcpOpenedByGuest)
        if service { flow.pointee.marks.insert(.service) }
        var effect = Effect(service ? .connectService : .connectStream, handle)
        effect.address = target
        effect.hopLimit = hopLimit
        effect.trafficClass = flow.pointee.classFromGuest
        effect.sourcePort = key.guestPort
        effects.append(effect)
    }

    /// How likely it is that the guest has an address, where there is another way for the client if it has not.
    public enum Trust: Sendable {
        /// The guest has shown the address lately, or there is no other way.
        case certain
        /// It has shown the address: given up at the second timeout.
        case likely
        /// It has not: given up at the first.
        case doubtful
    }

    /// A client of a published port: SYN to the guest with the client's own address as source, or the host's where the
    /// client has none that the guest could answer.
    ///
    /// - Parameters:
    ///   - client: the peer of the accepted socket.
    ///   - guest: the guest's address and port.
    ///   - trust: whether the guest has that address. When it does not answer, `guestSilent` hands the client back.
    ///   - trafficClass: that of the client's segments.
    /// - Returns: the connection, or `nil` when it cannot be had; the caller then resets the socket.
    public mutating func openFromHost(
        client: TransportAddress, guest: TransportAddress, trust: Trust = .certain, trafficClass: UInt8 = 0
    ) -> Handle? {
        guard let key = keyForClient(client, guest) else {
            counters.add(.forwardsRefused)
            return nil
        }
        if halfOpen.ofHost.count >= halfOpen.limit { endOldestHalfOpen(halfOpen.ofHost.oldest) }
        let opening = TCPConnection(key: key, state: .synSent, hostAddress: client, now: now)
        guard let handle = insertConnection(opening), let flow = connections.pointer(to: handle) else {
            counters.add(.droppedTableFull)
            return nil
        }
        flow.pointee.marks.insert([.openedByHost, .socket])
        flow.pointee.classToGuest = trafficClass & 0xFC
        switch trust {
        case .certain: break
        case .likely: flow.pointee.marks.insert(.longTrial)
        case .doubtful: flow.pointee.marks.insert(.trial)
        }
        setInitialSequence(flow)
        flow.pointee.optionLength = UInt8(TimestampOption.paddedLength)
        flow.pointee.heardAt = now
        beginHalfOpen(flow)
        counters.add(.tcpOpenedByHost)
        sendSYN(flow)
        flow.pointee.sndNxt = flow.pointee.sndUna.advanced(by: 1)
        flow.pointee.watch.lookAt = now &+ TCPBounds.clientWatch
        startRetransmissionTimer(flow)
        return handle
    }

    /// The client of a connection that the guest has not answered yet has ended its side and said nothing before. It may
    /// still want to hear something; but no further SYN is sent for it.
    public mutating func clientEnded(_ handle: Handle) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .synSent else { return }
        flow.pointee.marks.insert(.deserted)
    }

    /// Ports that a client gets whose own another one has that appears under the same address.
    private static var otherPorts: Int { 64 }

    /// The tuple of a client's connection, free of an old connection in TIME-WAIT; `nil` when it is another's.
    private mutating func keyForClient(_ client: TransportAddress, _ guest: TransportAddress) -> FlowKey? {
        let shown = shownToGuest(client.address, by: guest.address)
        let own = Self.keyOpenedByHost(client: shown, client.port, guest)
        if takesOver(own) { return own }
        // Clients that appear as the host are several who do not know of each other.
        guard shown != client.address else { return nil }
        var port = client.port
        for _ in 0..<Self.otherPorts {
            port = port &* 25_173 &+ 13_849
            let key = Self.keyOpenedByHost(client: shown, max(port, 1_024), guest)
            let isOurs =
                Self.owner(of: key, shards: configuration.shards, secret: configuration.secret) == configuration.shard
            if isOurs, takesOver(key) { return key }
        }
        return nil
    }

    /// Whether no connection has the tuple; one in TIME-WAIT gives it up.
    private mutating func takesOver(_ key: FlowKey) -> Bool {
        guard let old = table.find(key) else { return true }
        guard old.kind == .tcp, let stale = connections.pointer(inSlot: old.slot), stale.pointee.state == .timeWait
        else { return false }
        forgetGuest(stale)
        return true
    }

    /// The key of a connection that a client of a published port opens.
    public static func keyOpenedByHost(
        client: IPAddress, _ clientPort: UInt16, _ guest: TransportAddress
    ) -> FlowKey {
        FlowKey(
            guest: guest.address, guestPort: guest.port, remote: client, remotePort: clientPort, transport: .tcp)
    }

    mutating func beginHalfOpen(_ flow: UnsafeMutablePointer<TCPConnection>) {
        counters.add(.tcpHalfOpen)
        halfOpen.append(
            connections.slot(of: flow), isOpenedByHost: flow.pointee.marks.contains(.openedByHost))
    }

    mutating func endHalfOpen(_ flow: UnsafeMutablePointer<TCPConnection>) {
        counters.add(.tcpHalfOpen, -1)
        halfOpen.remove(
            connections.slot(of: flow), isOpenedByHost: flow.pointee.marks.contains(.openedByHost))
    }

    /// The connect that has waited longest for an answer gives way, so that unanswered ones cannot keep new ones
    /// out. The guest hears nothing of its own, as from a NAT whose table is full: a SYN that is still wanted comes again.
    private mutating func endOldestHalfOpen(_ slot: UInt32) {
        guard let oldest = connections.pointer(inSlot: slot) else {
            preconditionFailure("connects are counted that are not listed")
        }
        counters.add(.tcpHalfOpenEvicted)
        abort(oldest, towardGuest: oldest.pointee.marks.contains(.openedByHost), towardHost: true)
    }

    private mutating func insertConnection(_ connection: TCPConnection) -> Handle? {
        guard let handle = connections.insert(connection) else { return nil }
        guard table.insert(connection.key, Flow(.tcp, slot: handle.slot)) else {
            connections.remove(slot: handle.slot)
            return nil
        }
        counters.add(.tcpFlows)
        return handle
    }

    /// RFC 6528: a keyed hash of the tuple plus a clock. The clock must outrun the octets of a connection, so that the
    /// next one on its tuple begins beyond them; ticks of 64 ns, as in Linux, do at up to 125 Mb/s, those of the RFC's
    /// 4 µs at 2 Mb/s.
    private mutating func setInitialSequence(_ flow: UnsafeMutablePointer<TCPConnection>) {
        let hash = flow.pointee.key.hash(secret: sequenceSalt)
        flow.pointee.sndUna = SequenceNumber(
            UInt32(truncatingIfNeeded: hash) &+ UInt32(truncatingIfNeeded: now >> 6))
        flow.pointee.sndNxt = flow.pointee.sndUna
        flow.pointee.recover = flow.pointee.sndUna
        flow.pointee.timestamps.begin(
            offset: UInt32(truncatingIfNeeded: flow.pointee.key.hash(secret: sequenceSalt ^ Self.timestampSalt)))
    }

    /// Makes another key of the one for sequence numbers.
    private static var timestampSalt: UInt64 { 0x9E37_79B9_7F4A_7C15 }

    /// What the guest's SYN or SYN-ACK offers; what an earlier one has offered is forgotten.
    mutating func acceptOptions(
        _ flow: UnsafeMutablePointer<TCPConnection>, _ options: TCPOptions, of header: TCPHeader
    ) {
        let ipv4 = flow.pointee.key.remote.isIPv4
        let own = ownSegmentSize(ipv4: ipv4)
        flow.pointee.marks.subtract([.scaling, .sack])
        // RFC 9293 §3.7.1: 536 (IPv4) or 1220 (IPv6) when the option is absent. A floor keeps a hostile guest from
        // asking for one-octet segments.
        let offered = options.maximumSegmentSize.map(Int.init) ?? (ipv4 ? 536 : 1_220)
        var size = UInt16(clamping: max(88, min(offered, own)))
        flow.pointee.optionLength = 0
        if let stamp = options.timestamps {
            flow.pointee.optionLength = UInt8(TimestampOption.paddedLength)
            size -= UInt16(TimestampOption.paddedLength)
            flow.pointee.timestamps.accept(stamp.value, inSYNAt: header.sequence, now: now)
        }
        flow.pointee.setSegmentSize(size)
        if let scale = options.windowScale {
            flow.pointee.marks.insert(.scaling)
            flow.pointee.sendScale = min(scale, 14)
            flow.pointee.receiveScale = TCPBounds.windowScale
        }
        if options.sackPermitted { flow.pointee.marks.insert(.sack) }
    }

    // MARK: The host's answer to connectStream and connectService

    /// The owner has a socket for the connection and names it; a later close refers to it.
    public mutating func streamOpened(_ handle: Handle, socket: UInt32) {
        guard let flow = connections.pointer(to: handle) else { return }
        flow.pointee.socket = socket
        flow.pointee.marks.insert(.socket)
    }

    /// The host socket is connected: SYN-ACK.
    public mutating func streamConnected(_ handle: Handle) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .connecting else { return }
        flow.pointee.state = .synReceived
        flow.pointee.watch.hear(now: now)
        sendSYN(flow)
        flow.pointee.sndNxt = flow.pointee.sndUna.advanced(by: 1)
        startRetransmissionTimer(flow)
    }

    /// Why the host could not be reached.
    public enum ConnectFailure: Sendable {
        case refused, hostUnreachable, networkUnreachable, prohibited, timedOut, exhausted
        /// The guest has as many descriptors as are its due.
        case beyondShare
    }

    /// A router on the way, or the host there, said why the host cannot be reached: the guest hears it from the same. The
    /// owner has closed the socket.
    public mutating func streamConnectReported(
        _ handle: Handle, _ reason: ICMPError.Reason, from router: IPAddress?
    ) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .connecting else { return }
        flow.pointee.marks.remove(.socket)
        counters.add(.tcpUnreachable)
        sendError(reason, from: router.map { addressForGuest(of: $0) }, aboutSYNOf: flow)
        removeConnection(flow)
    }

    /// The host could not be reached: the guest sees what the host saw. The owner has closed the socket.
    public mutating func streamConnectFailed(_ handle: Handle, _ failure: ConnectFailure) {
        guard let flow = connections.pointer(to: handle), flow.pointee.state == .connecting else { return }
        flow.pointee.marks.remove(.socket)
        switch failure {
        case .refused:
            counters.add(.tcpRefused)
            sendReset(flow)
        case .hostUnreachable:
            counters.add(.tcpUnreachable)
            sendUnreachable(about: flow, .host)
        case .networkUnreachable:
            counters.add(.tcpUnreachable)
            sendUnreachable(about: flow, .network)
        case .prohibited:
            counters.add(.tcpUnreachable)
            sendUnreachable(about: flow, .prohibited)
        case .timedOut:
            counters.add(.tcpTimedOut)
        case .exhausted:
            // As a network out of room: silence; the guest's SYN comes again.
            counters.add(.descriptorsExhausted)
        case .beyondShare:
            // To ask again would be in vain while the guest's other flows last.
            counters.add(.descriptorsExhausted)
            sendReset(flow)
        }
        removeConnection(flow)
    }
}
