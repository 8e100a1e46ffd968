public import RingwayStorage
internal import RingwayWire

/// A flow that has a host socket and could end for the sake of another one.
public struct IdleFlow: Sendable {
    let flow: Flow
    /// Monotonic nanoseconds of its last use; zero for one that was never answered, which goes before any that was.
    public let usedAt: UInt64
}

/// Which of a guest's flows ends when descriptors are wanted: of those that never had an answer the oldest, so that a scan
/// costs no conversation its flow, and then whichever has been idle for longest.
extension Stack {
    /// Mappings of published ports, which have no socket of their own, that are passed over in search of one that has.
    private static var searched: Int { 64 }

    /// The flow that has to go first; `nil` when there is none with a socket.
    public mutating func idlestFlow() -> IdleFlow? {
        if let flow = oldestUnanswered(sparing: .max) { return IdleFlow(flow: flow, usedAt: 0) }
        var found = connectionHand.idlest(of: connections) {
            $0.pointee.marks.contains(.socket) ? $0.pointee.heardAt : nil
        }.map { IdleFlow(flow: Flow(.tcp, slot: $0.slot), usedAt: $0.usedAt) }
        if let slot = oldestMapping(isAnswered: true, sparing: .max), let mapping = mappings.pointer(inSlot: slot),
            mapping.pointee.usedAt < found?.usedAt ?? .max
        {
            found = IdleFlow(flow: Flow(.udp, slot: slot), usedAt: mapping.pointee.usedAt)
        }
        if let ping = pings.pointer(inSlot: pingsByAge.oldest), ping.pointee.usedAt < found?.usedAt ?? .max {
            found = IdleFlow(flow: Flow(.ping, slot: pingsByAge.oldest), usedAt: ping.pointee.usedAt)
        }
        return found
    }

    /// Ends what `idlestFlow` has found: both ends of a connection see RST.
    public mutating func end(_ idle: IdleFlow) {
        counters.add(.flowsGivenBack)
        end(idle.flow)
    }

    /// Ends a flow of the guest's that nothing has answered, so that a new one can have its descriptor. False when there is
    /// none.
    ///
    /// - Parameter mapping: the UDP mapping that the descriptor is for, or `nil`.
    public mutating func endUnanswered(sparing mapping: Handle? = nil) -> Bool {
        guard let flow = oldestUnanswered(sparing: mapping?.slot ?? .max) else { return false }
        counters.add(flow.kind == .tcp ? .tcpHalfOpenEvicted : .udpMappingsEvicted)
        end(flow)
        return true
    }

    /// Ends the UDP mapping that has been idle for longest, so that a new one can have its descriptor. False when there is
    /// none but `mapping`.
    public mutating func endOldestMapping(sparing mapping: Handle) -> Bool {
        guard
            let slot = oldestMapping(isAnswered: false, sparing: mapping.slot)
                ?? oldestMapping(isAnswered: true, sparing: mapping.slot)
        else { return false }
        counters.add(.udpMappingsEvicted)
        removeMapping(slot: slot)
        return true
    }

    private mutating func end(_ flow: Flow) {
        switch flow.kind {
        case .tcp:
            guard let connection = connections.pointer(inSlot: flow.slot) else { return }
            // A guest whose SYN had no answer repeats it, or gives up.
            abort(connection, towardGuest: connection.pointee.state != .connecting, towardHost: true)
        case .udp, .forwardedUDP: removeMapping(slot: flow.slot)
        case .ping: removePing(slot: flow.slot)
        // No flow, and without a descriptor.
        case .peer: break
        }
    }

    private mutating func oldestUnanswered(sparing spared: UInt32) -> Flow? {
        var found: (flow: Flow, usedAt: UInt64)?
        if let slot = oldestMapping(isAnswered: false, sparing: spared), let mapping = mappings.pointer(inSlot: slot) {
            found = (Flow(.udp, slot: slot), mapping.pointee.usedAt)
        }
        found = older(connectionIn: halfOpen.ofGuest.oldest, than: found)
        return older(connectionIn: halfOpen.ofHost.oldest, than: found)?.flow
    }

    private mutating func older(
        connectionIn slot: UInt32, than found: (flow: Flow, usedAt: UInt64)?
    ) -> (flow: Flow, usedAt: UInt64)? {
        guard let connection = connections.pointer(inSlot: slot), connection.pointee.marks.contains(.socket),
            connection.pointee.heardAt < found?.usedAt ?? .max
        else { return found }
        return (Flow(.tcp, slot: slot), connection.pointee.heardAt)
    }

    /// Of the mappings with a socket of their own the one idle for longest.
    private mutating func oldestMapping(isAnswered: Bool, sparing spared: UInt32) -> UInt32? {
        var slot = isAnswered ? mappingEvictions.oldestAnswered : mappingEvictions.oldestUnanswered
        for _ in 0..<Self.searched {
            guard let mapping = mappings.pointer(inSlot: slot) else { return nil }
            if !mapping.pointee.isForwarded, slot != spared { return slot }
            slot = mappingEvictions.following(slot, isAnswered: isAnswered)
        }
        return nil
    }
}
