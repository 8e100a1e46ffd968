internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// UDP: the mappings of the guest's ports to sockets of the host, and the peers of its published ports.
///
/// ## Theory of operation
///
/// A datagram from the guest uses the mapping of its address and port in the flow table, or creates one. The shard
/// gives each mapping a socket, from which all its datagrams are sent (endpoint-independent mapping, RFC 4787).
/// Datagrams received on the socket pass to the guest if the filter (`UDPFiltering`) and the destination policy admit
/// their source. A peer of a published port has its own mapping, found by the whole tuple, whose datagrams are sent
/// through the listener.
///
/// A mapping ends by idle timeout, by eviction (`EvictionOrder`), when no socket can be opened for it, when the guest
/// reports its port closed, or when a listener opens or closes on its port.
struct UDP: ~Copyable {
    var mappings: Slab<UDPMapping>
    private var evictions: EvictionOrder
    /// The number of mappings of peers of published ports.
    var forwardedCount = 0
    var publishedPorts = PublishedDatagramPorts()
    private let timeouts: SilenceTimeouts
    /// The most mappings.
    private let limit: Int
    /// Limits the rate of ICMP refusals to clients of published ports.
    var refusalBucket: TokenBucket

    static var namePort: UInt16 { 53 }

    init(_ limits: Limits, capacity: Int, now: UInt64) throws(MemoryFailure) {
        let mappings = try Slab<UDPMapping>(capacity: capacity)
        evictions = EvictionOrder(of: mappings.base, offset: MemoryLayout<UDPMapping>.offset(of: \.links))
        timeouts = SilenceTimeouts(limits)
        limit = min(limits.udpMappings, capacity)
        refusalBucket = TokenBucket(capacity: 50, perSecond: 1_000, now: now)
        self.mappings = mappings
    }

    // MARK: From the guest

    /// Handles a datagram from the guest. Takes ownership of the lease.
    mutating func receive(
        _ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer, _ queries: inout NameQueries,
        _ core: inout StackCore
    ) {
        let client = forwardedSlot(for: summary, &core)
        let target: TransportAddress
        // A peer that has sent to a published port may be answered, whatever the destination policy says: the address
        // on which the port is published decides which peers can reach it.
        if let client, let mapping = mappings.pointer(inSlot: client), mapping.pointee.hasPeerSpoken {
            target = mapping.pointee.peer
        } else {
            switch core.reachableDestination(summary, bytes) {
            case .host(let address): target = TransportAddress(address: address, port: summary.destinationPort)
            case .gateway:
                if summary.destinationPort == Self.namePort { return queries.receive(summary, lease, &core) }
                core.sendError(.portUnreachable, about: bytes, summary)
                return core.release(lease)
            default: return core.release(lease)
            }
        }
        // The hop limit comes first: a datagram that expires at the gateway must not create a mapping or evict one.
        guard let hopLimit = core.hopLimitBeyondGateway(summary, bytes),
            let slot = client ?? mappingSlot(for: summary, to: target, &core),
            let mapping = mappings.pointer(inSlot: slot)
        else { return core.release(lease) }
        if !mapping.pointee.isForwarded {
            noteTarget(target, of: mapping, &core)
            if summary.destinationPort != Self.namePort { mapping.pointee.isNameQuery = false }
        }
        touch(mapping, isFirstAnswer: mapping.pointee.noteFromGuest(now: core.now), &core)
        core.counters.add(.udpToHost)
        var effect = Effect(
            mapping.pointee.isForwarded ? .sendForwardedDatagram : .sendDatagram, mappings.handle(ofSlot: slot))
        effect.lease = lease
        effect.offset = UInt32(summary.payloadOffset) + UInt32(VirtioNetHeader.length)
        effect.length = summary.payloadLength
        effect.segmentSize = summary.segmentSize
        effect.hopLimit = hopLimit
        effect.trafficClass = summary.trafficClass
        if summary.dontFragment { effect.options = .dontFragment }
        effect.address = mapping.pointee.isForwarded ? mapping.pointee.peer : target
        core.effects.append(effect)
    }

    /// Records that the guest sends to `target`, whose datagrams are accepted from now on.
    @inline(__always)
    private mutating func noteTarget(
        _ target: TransportAddress, of mapping: UnsafeMutablePointer<UDPMapping>, _ core: inout StackCore
    ) {
        let last = mapping.pointee.peer
        mapping.pointee.peer = target
        if core.policy.udpFiltering.covers(last, target) || last.address.isUnspecified { return }
        notePeers(last, target, of: mapping, &core)
    }

    @inline(never)
    private mutating func notePeers(
        _ last: TransportAddress, _ target: TransportAddress, of mapping: UnsafeMutablePointer<UDPMapping>,
        _ core: inout StackCore
    ) {
        let (owner, key, filtering) = (mappings.slot(of: mapping), mapping.pointee.key, core.policy.udpFiltering)
        core.notePeer(key.peer(last, filtering), of: owner)
        core.notePeer(key.peer(target, filtering), of: owner)
    }

    /// The slot of the forwarded mapping whose peer is the destination of a datagram; `nil` if there is none.
    @inline(__always)
    private mutating func forwardedSlot(for summary: FrameSummary, _ core: inout StackCore) -> UInt32? {
        guard forwardedCount > 0, !core.plan.isGateway(summary.destination),
            let reference = core.table.find(Self.forwardedKey(summary)), reference.kind == .forwardedUDP
        else { return nil }
        return reference.slot
    }

    /// The slot of the mapping for a datagram to a peer that has no forwarded mapping; `nil` if the table is full. Uses
    /// the mapping of the guest's port or, if the port has none, creates one. If a listener of the port can send to
    /// `target`, the new mapping is a forwarded one, for this peer only.
    private mutating func mappingSlot(
        for summary: FrameSummary, to target: TransportAddress, _ core: inout StackCore
    ) -> UInt32? {
        let key = FlowKey(guest: summary.source, guestPort: summary.sourcePort, transport: .udp)
        if let reference = core.table.find(key), reference.kind == .udp { return reference.slot }
        if !publishedPorts.isEmpty {
            let guest = TransportAddress(address: summary.source, port: summary.sourcePort)
            if let listener = publishedPorts.listener(of: guest, toward: target.address) {
                let mapping = UDPMapping(
                    key: Self.forwardedKey(summary), now: core.now, listener: listener, peer: target,
                    isOpenedByGuest: true)
                return insert(mapping, .forwardedUDP, &core)
            }
        }
        let isNameQuery = summary.destinationPort == Self.namePort
        return insert(UDPMapping(key: key, now: core.now, isNameQuery: isNameQuery), .udp, &core)
    }

    private static func forwardedKey(_ summary: FrameSummary) -> FlowKey {
        FlowKey(
            guest: summary.source, guestPort: summary.sourcePort, remote: summary.destination,
            remotePort: summary.destinationPort, transport: .udp)
    }

    // MARK: Lifetime of mappings

    mutating func insert(_ mapping: UDPMapping, _ kind: Flow.Kind, _ core: inout StackCore) -> UInt32? {
        if mappings.count >= limit, evictions.first != SlotList.none {
            core.counters.add(.udpMappingsEvicted)
            remove(slot: evictions.first, &core)
        }
        guard let handle = mappings.insert(mapping) else {
            core.counters.add(.droppedTableFull)
            return nil
        }
        guard core.table.insert(mapping.key, Flow(kind, slot: handle.slot)) else {
            mappings.remove(slot: handle.slot)
            core.counters.add(.droppedTableFull)
            return nil
        }
        if mapping.isForwarded { forwardedCount += 1 }
        core.peers.open(handle.slot)
        evictions.append(handle.slot)
        core.counters.add(.udpMappings)
        core.counters.add(.udpMappingsOpened)
        core.timers.schedule(.mapping(handle.slot), at: core.now &+ timeouts.life(of: mapping))
        return handle.slot
    }

    /// Records that a mapping was used: moves it to the end of its list in the eviction order. Its timer is not
    /// reset; when the timer expires, `runTimer` compares the deadline. The timer of a DNS mapping is reset, however,
    /// because the timeout becomes shorter when its queries are answered.
    mutating func touch(
        _ mapping: UnsafeMutablePointer<UDPMapping>, isFirstAnswer: Bool, _ core: inout StackCore
    ) {
        let slot = mappings.slot(of: mapping)
        if isFirstAnswer {
            evictions.answer(slot)
        } else {
            evictions.touch(slot, isAnswered: mapping.pointee.isAnswered)
        }
        if mapping.pointee.isNameQuery {
            core.timers.schedule(.mapping(slot), at: mapping.pointee.renewedAt &+ timeouts.life(of: mapping.pointee))
        }
    }

    mutating func runTimer(slot: UInt32, _ core: inout StackCore) {
        guard let mapping = mappings.pointer(inSlot: slot) else { return }
        let deadline = mapping.pointee.renewedAt &+ timeouts.life(of: mapping.pointee)
        if deadline > core.now {
            core.timers.schedule(.mapping(slot), at: deadline)
        } else {
            core.counters.add(.udpMappingsExpired)
            remove(slot: slot, &core)
        }
    }

    /// Ends a mapping; the shard closes the mapping's socket, if it has one of its own.
    mutating func remove(slot: UInt32, _ core: inout StackCore) {
        guard let mapping = mappings.pointer(inSlot: slot) else { return }
        if mapping.pointee.isForwarded {
            forwardedCount -= 1
        } else {
            core.effects.append(Effect(.closeDatagram, mappings.handle(ofSlot: slot)))
        }
        core.peers.close(slot, in: &core.table)
        evictions.remove(slot, isAnswered: mapping.pointee.isAnswered)
        core.timers.cancel(.mapping(slot))
        core.table.remove(mapping.pointee.key)
        mappings.remove(slot: slot)
        core.counters.add(.udpMappings, -1)
    }

    // MARK: Idle mappings

    /// The most mappings that `idlest` examines to find one with a socket of its own. Forwarded mappings have no such
    /// socket.
    private static var searched: Int { 64 }

    /// The mapping with its own socket that has been idle for longest, among those with an answer or those without
    /// one.
    ///
    /// - Parameter spared: a slot to skip, or `SlotList.none`.
    mutating func idlest(isAnswered: Bool, sparing spared: UInt32 = SlotList.none) -> IdleFlow? {
        var slot = isAnswered ? evictions.oldestAnswered : evictions.oldestUnanswered
        for _ in 0..<Self.searched {
            guard let mapping = mappings.pointer(inSlot: slot) else { return nil }
            if !mapping.pointee.isForwarded, slot != spared {
                return IdleFlow(flow: Flow(.udp, slot: slot), usedAt: mapping.pointee.usedAt)
            }
            slot = evictions.next(after: slot, isAnswered: isAnswered)
        }
        return nil
    }

    /// Ends the mapping with its own socket that is first in the `EvictionOrder`, except `spared`, to free its
    /// descriptor; false if there is none.
    mutating func evictOldest(sparing spared: Handle, _ core: inout StackCore) -> Bool {
        let idle = idlest(isAnswered: false, sparing: spared.slot) ?? idlest(isAnswered: true, sparing: spared.slot)
        guard let idle else { return false }
        core.counters.add(.udpMappingsEvicted)
        remove(slot: idle.flow.slot, &core)
        return true
    }

    // MARK: Inspection

    /// Slots below this may be occupied.
    var slotLimit: UInt32 { mappings.highWater }

    /// Whether a mapping is of IPv4; `nil` if the handle is stale.
    func isIPv4(_ handle: Handle) -> Bool? { mappings.pointer(to: handle)?.pointee.key.guest.isIPv4 }

    /// The record of the mapping in a slot; `nil` if the slot is free.
    mutating func record(inSlot slot: UInt32, now: UInt64) -> FlowRecord? {
        guard let mapping = mappings.pointer(inSlot: slot)?.pointee else { return nil }
        var record = FlowRecord(
            key: mapping.key, kind: mapping.isForwarded ? .forwardedUDP : .udp, hostAddress: mapping.peer)
        record.isOpenedByHost = !mapping.isOpenedByGuest
        record.idle = FlowRecord.idle(since: mapping.usedAt, now: now)
        return record
    }
}
