internal import RingwayEngine
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage

/// Checks at the end of a run.
extension EngineNetwork {
    /// Connections and other objects that have not ended, for an error message.
    var openEnds: String {
        var ends: [String] = []
        for peer in peers where !peer.isOver {
            ends.append(
                "flow \(peer.script.index): a peer has \(peer.received) bytes, has sent \(peer.sent), "
                    + "saw the end \(peer.sawEnd), has ended \(peer.hasEnded)")
        }
        for (flow, connection) in connections.enumerated() where connection?.isOver == false {
            ends.append("flow \(flow): the guest's end is open")
        }
        if let engine {
            for part in 0..<engine.count { ends.append("part \(part): \(engine.holdings(of: part))") }
        }
        return ends.joined(separator: "; ")
    }

    /// Whether a flow must transfer everything and end without RST.
    func isOrderly(_ script: FlowScript) -> Bool {
        script.mustSucceed && !isStopping && !isStarvedOfDescriptors
    }

    private var isStarvedOfDescriptors: Bool { host.script.missingDescriptors > 0 }

    // MARK: The engine

    /// Checks an engine that is idle and has not been stopped.
    func judgeEngine(_ engine: SteppedEngine) {
        for part in 0..<engine.count {
            let holdings = engine.holdings(of: part)
            if holdings.leases != holdings.expectedLeases {
                fail("part \(part): \(holdings.leases) buffers are leased")
            }
            // At most two operations stay in flight: one on the link, and one on the channel for sockets inside the
            // guest.
            if holdings.operations > 2 { fail("part \(part): \(holdings.operations) operations stay") }
            if holdings.messages != 0 { fail("part \(part): \(holdings.messages) messages stay") }
            if holdings.flows != 0 { fail("part \(part): \(holdings.flows) keys stay in the flow table") }
            if holdings.reservedBytes != 0 { fail("part \(part): \(holdings.reservedBytes) bytes stay reserved") }
            if holdings.streamSockets != 0 { fail("part \(part): \(holdings.streamSockets) sockets stay") }
            if holdings.listeners != 0 { fail("part \(part): \(holdings.listeners) listeners stay") }
        }
        let refused = engine.total(.handOverRefused)
        if refused != 0 { fail("\(refused) frames were not accepted by the part of the guest that owns their flow") }
        if let fault = faultOfOperations(engine) { fail(fault) }
        for metric in [Metric.tcpFlows, .tcpHalfOpen, .tcpUnsentBytes, .hostSockets, .splicedConnections]
        where engine.total(metric) != 0 {
            fail("\(metric.name) is \(engine.total(metric)) at the end")
        }
        judgeExchanges()
        for script in scenario.base.flows {
            if let fault = fault(of: script, engine) { fail("flow \(script.index): \(fault)") }
        }
    }

    /// Checks that every datagram sent after the last possible loss was answered. Skips the check if there are so
    /// many exchanges that a mapping may be evicted for another.
    private func judgeExchanges() {
        let limits = scenario.limits
        guard exchanges.count < min(limits.udpMappings, limits.pingMappings) / 2 else { return }
        for exchange in exchanges {
            guard let first = exchange.certainFrom else { continue }
            let missing = (first..<exchange.sent).filter { !exchange.answered.contains($0) }
            if !missing.isEmpty {
                fail(
                    "exchange \(exchange.script.index): \(missing.count) datagrams have no answer, \(missing[0]) first")
            }
        }
    }

    /// Checks the peers after the engine has been removed and everything in flight has arrived.
    func judgePeers() {
        for peer in peers where peer.isWhole {
            if peer.isInsideGuest { report.relayedConnections += 1 } else { report.wholeConnections += 1 }
        }
        report.answeredDatagrams = exchanges.reduce(0) { $0 + $1.answered.count }
        for peer in peers where !peer.isOver {
            fail("flow \(peer.script.index): the engine is gone, and its peer does not know")
        }
    }

    // MARK: Flows

    private func fault(of script: FlowScript, _ engine: SteppedEngine) -> String? {
        let fate = fates[script.index]
        let own = peers.filter { $0.script.index == script.index && !$0.isInsideGuest }
        if own.contains(where: { !$0.isOver }) { return "a peer's end is still open" }
        if relayed.contains(script.index) { return faultOfRelayed(script, own) }
        guard let connection = connections[script.index] else {
            return own.allSatisfy { $0.end == .reset } ? nil : "it never reached the guest, and ended in order"
        }
        guard let end = connection.end else { return "the guest's end is still open" }
        let isGivenUp = script.isOpenedByHost && own.allSatisfy { $0.end == .reset } && end != .clean
        if isGivenUp, isStarvedOfDescriptors || engine.total(.tcpTimedOut) > 0 || fate.wasMoved { return nil }
        switch script.connectAnswers.last {
        case .refused: return explained(end, fate, [.refused]) ? nil : "refused, but the guest saw \(end)"
        case .hostUnreachable, .networkUnreachable, .prohibited:
            return explained(end, fate, [.unreachable]) ? nil : "unreachable, but the guest saw \(end)"
        case .timedOut: return explained(end, fate, [.gaveUp]) ? nil : "timed out, but the guest saw \(end)"
        default: break
        }
        let isSecond = !fate.forgotten.isEmpty
        if fate.wasDisturbed && !isSecond { return faultOfDisturbed(script, connection, own) }
        if script.disturbance == .guestCloses && end == .abandoned { return nil }
        if case .guestReturns = script.disturbance {
            return faultOfWhole(script, connection, own, wholes: isSecond ? 2...2 : 1...1)
        }
        return faultOfWhole(script, connection, own, wholes: isSecond ? 1...2 : 1...1)
    }

    private func explained(
        _ end: GuestConnection.End, _ fate: SimulatedNetwork.Fate, _ expected: [GuestConnection.End]
    ) -> Bool {
        expected.contains(end) || (fate.wasDisturbed && (end == .abandoned || end == .gone))
    }

    /// Checks that both streams have arrived completely, and that both ends have seen end of file. The guest may have
    /// seen RST only after FIN in both directions. `wholes` says how many sockets must have carried the whole
    /// connection; the others must have been reset.
    private func faultOfWhole(
        _ script: FlowScript, _ connection: GuestConnection, _ own: [EnginePeer], wholes: ClosedRange<Int>
    ) -> String? {
        let isLateRefusal = connection.end == .reset && connection.peerHasFinished && connection.finIsSent
        guard connection.end == .clean || isLateRefusal else {
            return "the guest saw \(connection.end.map { "\($0)" } ?? "")"
        }
        guard connection.received == script.hostBytes else { return "the guest has \(connection.received) bytes" }
        guard connection.peerHasFinished else { return "the guest saw no end of file" }
        var whole = 0
        for peer in own {
            if peer.isWhole {
                whole += 1
            } else if !(peer.end == .reset && (wholes == 1...2 || peer.received == 0)) {
                return "a peer ended \(peer.end.map { "\($0)" } ?? "") with \(peer.received) bytes received and "
                    + "\(peer.sent) sent"
            }
        }
        return wholes.contains(whole) ? nil : "\(whole) sockets carried the whole connection"
    }

    /// Checks how the disturbance has ended the connection. If the host failed, the guest must have seen RST, unless
    /// FIN had been sent in both directions. If the guest went away, the host may have seen FIN only after all bytes
    /// of the guest.
    private func faultOfDisturbed(
        _ script: FlowScript, _ connection: GuestConnection, _ own: [EnginePeer]
    ) -> String? {
        switch script.disturbance {
        case .hostFails:
            let isDone = connection.peerHasFinished && connection.finIsSent
            if connection.end == .reset || connection.end == .refused || isDone { return nil }
            return "the host failed, but the guest saw \(connection.end.map { "\($0)" } ?? "")"
        case .guestResets, .guestVanishes:
            for peer in own where peer.end == .clean && peer.received != script.guestBytes {
                return "the guest went away, but its peer saw an end in order"
            }
            return nil
        default: return nil
        }
    }

    /// Checks a spliced connection: the end inside the guest must be over. Unless the flow was disturbed, the client
    /// and the server inside the guest must also have transferred everything, or the engine must have given up the
    /// server's socket before it sent a byte to the server.
    private func faultOfRelayed(_ script: FlowScript, _ own: [EnginePeer]) -> String? {
        let inside = peers.filter { $0.script.index == script.index && $0.isInsideGuest }
        if inside.contains(where: { !$0.isOver }) { return "the end inside the guest is still open" }
        if fates[script.index].wasDisturbed { return nil }
        // If a flow has two clients, one may have been spliced and the other may have used the link. Each of them must
        // be complete, or must have been reset.
        if own.count > 1, own.allSatisfy({ $0.isWhole || $0.end == .reset }) { return nil }
        if own.allSatisfy(\.isWhole), inside.contains(where: \.isWhole) { return nil }
        // The connect inside the guest may have succeeded only after the engine had stopped waiting for it.
        let isLate = inside.allSatisfy { $0.end == .reset && $0.received == 0 }
        return isLate ? nil : "around the link, \(own.filter(\.isWhole).count) of \(own.count) ends are whole"
    }
}
