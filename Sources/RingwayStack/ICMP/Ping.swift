internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// ICMP echo: the gateway answers requests to itself; other requests go through sockets of the host.
///
/// ## Theory of operation
///
/// Each echo identifier of the guest is one mapping, for all hosts that the guest pings with it (RFC 5508). The shard
/// gives the mapping a ping socket, or an identifier on a raw socket that several mappings share. The guest gets
/// replies only from hosts that it has pinged. A mapping ends if the guest sends no request for `timeout`. If the
/// table is full, the mapping idle for longest is evicted.
struct Ping: ~Copyable {
    private var pings: Slab<PingMapping>
    private var byAge: SlotList
    private var echo: ICMPEcho
    /// The idle timeout of a mapping, nanoseconds; only requests reset it.
    private let timeout: UInt64
    /// The number of the first ping as an owner in the `PeerTable`; the UDP mappings have the numbers below it.
    private let firstPeerOwner: UInt32

    init(_ configuration: StackConfiguration, capacities: StackCapacities) throws(MemoryFailure) {
        let pings = try Slab<PingMapping>(capacity: capacities.pings)
        byAge = SlotList(of: pings.base, offset: MemoryLayout<PingMapping>.offset(of: \.links))
        echo = ICMPEcho(plan: configuration.plan)
        timeout = SilenceTimeouts(configuration.limits).ping
        firstPeerOwner = UInt32(capacities.mappings)
        self.pings = pings
    }

    // MARK: From the guest

    /// Handles an echo request. Takes ownership of the lease.
    ///
    /// - Parameter message: the ICMP message in `bytes`.
    mutating func receive(
        _ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer, message: UnsafeRawBufferPointer,
        _ sender: inout DatagramSender, _ core: inout StackCore
    ) {
        let target: IPAddress
        switch core.reachableDestination(summary, bytes) {
        case .host(let address): target = address
        case .gateway:
            answer(summary, bytes, message, &sender, &core)
            return core.release(lease)
        default: return core.release(lease)
        }
        guard let hopLimit = core.hopLimitBeyondGateway(summary, bytes),
            let slot = mapping(for: summary, to: target, &core)
        else { return core.release(lease) }
        core.counters.add(.pingToHost)
        var effect = Effect(.sendEcho, pings.handle(ofSlot: slot))
        effect.lease = lease
        effect.offset = UInt32(summary.transportOffset) + UInt32(VirtioNetHeader.length)
        effect.length = UInt32(message.count)
        effect.hopLimit = hopLimit
        effect.trafficClass = summary.trafficClass
        if summary.dontFragment { effect.options = .dontFragment }
        effect.address = TransportAddress(address: target, port: 0)
        core.effects.append(effect)
    }

    /// Answers a request to the gateway itself.
    private mutating func answer(
        _ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer, _ message: UnsafeRawBufferPointer,
        _ sender: inout DatagramSender, _ core: inout StackCore
    ) {
        if Int(summary.transportOffset - summary.networkOffset) + message.count <= core.plan.mtu {
            guard let reply = core.prepareReply(limit: bytes.count) else { return }
            let written = echo.respond(to: bytes, summary, into: reply.room)
            return core.sendReply(reply.lease, bytes: written, .echoAnswers)
        }
        // A request that exceeds the MTU was reassembled, and its reply is fragmented.
        let scratch = core.leaseForFrame(bytes: message.count)
        guard !scratch.isNone else { return }
        let room = UnsafeMutableRawBufferPointer(
            start: core.space.address(of: scratch), count: core.space.size(of: scratch))
        let written = echo.answer(to: message, summary, into: room)
        if written > 0 {
            core.counters.add(.echoAnswers)
            sender.sendInFragments(
                UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[..<written]), from: summary.destination,
                to: summary.source, summary.protocolNumber, DatagramMarks(), &core)
        }
        core.release(scratch)
    }

    // MARK: Lifetime of mappings

    private mutating func mapping(
        for summary: FrameSummary, to target: IPAddress, _ core: inout StackCore
    ) -> UInt32? {
        let transport: Transport = summary.isIPv6 ? .icmpv6 : .icmp
        let key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: transport)
        if let reference = core.table.find(key), reference.kind == .ping,
            let ping = pings.pointer(inSlot: reference.slot)
        {
            ping.pointee.usedAt = core.now
            noteTarget(target, of: ping, &core)
            byAge.moveToEnd(reference.slot)
            return reference.slot
        }
        if pings.count >= pings.capacity, !byAge.isEmpty {
            core.counters.add(.pingMappingsEvicted)
            remove(slot: byAge.first, &core)
        }
        guard let handle = pings.insert(PingMapping(key: key, usedAt: core.now, target: target)) else { return nil }
        guard core.table.insert(key, Flow(.ping, slot: handle.slot)) else {
            pings.remove(slot: handle.slot)
            core.counters.add(.droppedTableFull)
            return nil
        }
        core.peers.open(firstPeerOwner + handle.slot)
        byAge.append(handle.slot)
        core.counters.add(.pingMappings)
        core.timers.schedule(.ping(handle.slot), at: core.now &+ timeout)
        return handle.slot
    }

    /// Records that the guest has pinged `target`, whose replies are accepted from now on.
    private mutating func noteTarget(
        _ target: IPAddress, of ping: UnsafeMutablePointer<PingMapping>, _ core: inout StackCore
    ) {
        let last = ping.pointee.target
        guard last != target else { return }
        ping.pointee.target = target
        let owner = firstPeerOwner + pings.slot(of: ping)
        core.notePeer(ping.pointee.key.peer(last, port: 0), of: owner)
        core.notePeer(ping.pointee.key.peer(target, port: 0), of: owner)
    }

    mutating func runTimer(slot: UInt32, _ core: inout StackCore) {
        guard let ping = pings.pointer(inSlot: slot) else { return }
        let deadline = ping.pointee.usedAt &+ timeout
        if deadline > core.now {
            core.timers.schedule(.ping(slot), at: deadline)
        } else {
            remove(slot: slot, &core)
        }
    }

    /// Ends a mapping; the shard closes the mapping's socket.
    mutating func remove(slot: UInt32, _ core: inout StackCore) {
        guard let ping = pings.pointer(inSlot: slot) else { return }
        core.effects.append(Effect(.closeEcho, pings.handle(ofSlot: slot)))
        core.peers.close(firstPeerOwner + slot, in: &core.table)
        byAge.remove(slot)
        core.timers.cancel(.ping(slot))
        core.table.remove(ping.pointee.key)
        pings.remove(slot: slot)
        core.counters.add(.pingMappings, -1)
    }

    /// The mapping that has been idle for longest.
    mutating func idlest() -> IdleFlow? {
        guard let ping = pings.pointer(inSlot: byAge.first) else { return nil }
        return IdleFlow(flow: Flow(.ping, slot: byAge.first), usedAt: ping.pointee.usedAt)
    }

    /// The key of a ping; `nil` if the handle is stale.
    func key(of handle: Handle) -> FlowKey? { pings.pointer(to: handle)?.pointee.key }

    /// Slots below this may be occupied.
    var slotLimit: UInt32 { pings.highWater }

    /// The flow record of the ping in a slot; `nil` if the slot is free.
    mutating func record(inSlot slot: UInt32, now: UInt64) -> FlowRecord? {
        guard let ping = pings.pointer(inSlot: slot)?.pointee else { return nil }
        var record = FlowRecord(
            key: ping.key, kind: .ping,
            hostAddress: TransportAddress(address: ping.key.remote, port: ping.key.remotePort))
        record.idle = FlowRecord.idle(since: ping.usedAt, now: now)
        return record
    }

    // MARK: From the host

    /// The shard has no socket for the mapping. Sends "administratively prohibited" to the guest and ends the mapping,
    /// so that the guest's next request asks for a socket again. Takes ownership of the lease.
    mutating func refused(
        _ handle: Handle, to target: IPAddress, _ lease: Lease, offset: Int, length: Int, _ core: inout StackCore
    ) {
        let message = UnsafeRawBufferPointer(start: core.space.address(of: lease) + offset, count: length)
        failed(handle, to: target, .administrativelyProhibited, from: nil, message: message, &core)
        if pings.pointer(to: handle) != nil { remove(slot: handle.slot, &core) }
        core.release(lease)
    }

    /// Passes an echo reply to the guest. The whole ICMP message starts at `offset`, with at least `Stack.headroom`
    /// bytes before it. Takes ownership of the lease.
    mutating func received(
        _ handle: Handle, from host: IPAddress, _ lease: Lease, offset: Int, length: Int, hopLimit: UInt8,
        _ sender: inout DatagramSender, _ core: inout StackCore
    ) {
        let base = core.space.address(of: lease) + offset
        let message = UnsafeMutableRawBufferPointer(start: base, count: length)
        if let key = admittedKey(handle, from: host, length: length, &core) {
            core.counters.add(.pingFromHost)
            let source = core.plan.addressForGuest(of: host)
            Self.restoreIdentifier(of: message, base, key, source: source)
            sender.sendInFragments(
                UnsafeRawBufferPointer(message), from: source, to: key.guest,
                key.guest.isIPv4 ? IPProtocol.icmp : IPProtocol.icmpv6, DatagramMarks(hopLimit: max(1, hopLimit)),
                &core)
        }
        core.release(lease)
    }

    /// The key of the mapping that a reply belongs to, if the reply may pass to the guest.
    private mutating func admittedKey(
        _ handle: Handle, from host: IPAddress, length: Int, _ core: inout StackCore
    ) -> FlowKey? {
        guard let ping = pings.pointer(to: handle), length >= ICMPv4Header.length else { return nil }
        let key = ping.pointee.key
        guard core.plan.addressForGuest(of: host).isIPv4 == key.guest.isIPv4,
            core.admits(
                TransportAddress(address: host, port: 0), by: key,
                lastTarget: TransportAddress(address: ping.pointee.target, port: 0), .address)
        else { return nil }
        return key
    }

    /// Restores the guest's identifier, which the host's ping or raw socket replaced, and computes the checksum.
    private static func restoreIdentifier(
        of message: UnsafeMutableRawBufferPointer, _ base: UnsafeMutableRawPointer, _ key: FlowKey, source: IPAddress
    ) {
        base.storeBytes(of: key.guestPort.bigEndian, toByteOffset: 4, as: UInt16.self)
        base.storeBytes(of: 0, toByteOffset: ICMPv4Header.checksumOffset, as: UInt16.self)
        PacketHeaders(
            from: source, to: key.guest, protocolNumber: key.guest.isIPv4 ? IPProtocol.icmp : IPProtocol.icmpv6,
            payloadLength: message.count
        ).sealICMP(message)
    }

    /// An echo request failed: sends an ICMP error to the guest.
    ///
    /// - Parameters:
    ///   - router: the address that reported the error, or `nil` for the gateway.
    ///   - message: the echo request, from its ICMP header on.
    mutating func failed(
        _ handle: Handle, to target: IPAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        message: UnsafeRawBufferPointer, _ core: inout StackCore
    ) {
        guard let ping = pings.pointer(to: handle), let header = ICMPv4Header(message) else { return }
        let key = ping.pointee.key
        guard
            let packet = FailedPacket(
                echoFrom: key.guest, to: core.plan.addressForGuest(of: target), identifier: key.guestPort,
                sequence: header.sequence, payload: header.payload)
        else { return }
        let shownRouter = router.map { core.plan.addressForGuest(of: $0) }
        core.sendError(reason, from: shownRouter, about: packet)
    }
}
