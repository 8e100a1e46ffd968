internal import RingwayStack
internal import RingwayStorage

/// Checks at the end of a run.
extension SimulatedNetwork {
    func judge() {
        judgeStorage()
        for script in scenario.flows {
            if let fault = fault(of: script) { fail("flow \(script.index): \(fault)") }
        }
        let mayTimeOut = scenario.flows.contains { script in
            if case .guestVanishes = script.disturbance { return true }
            return script.connectAnswers.last == .timedOut
        }
        let unanswered = fates.count(where: \.wasUnanswered)
        if !mayTimeOut, counters.read(.tcpTimedOut) > unanswered { fail("a connection timed out without a reason") }
    }

    private func judgeStorage() {
        let leased = pool.pointee.leased
        if leased != 0 { fail("\(leased) buffers leaked") }
        for metric in [Metric.tcpFlows, .tcpHalfOpen, .tcpUnsentBytes] where counters.read(metric) != 0 {
            fail("\(metric.name) is \(counters.read(metric)) at the end")
        }
        if stack.reservedBytes != 0 { fail("\(stack.reservedBytes) bytes stay reserved") }
        if stack.halfOpenCount != 0 { fail("\(stack.halfOpenCount) connections stay half-open") }
        if stack.flowCount != 0 { fail("\(stack.flowCount) keys stay in the flow table") }
    }

    private func fault(of script: FlowScript) -> String? {
        let own = sockets.filter { $0.flow == script.index }
        let fate = fates[script.index]
        if let open = own.first(where: { $0.end == nil }) { return "socket \(open.identifier) is still open" }
        if fate.wasUnanswered {
            // The stack gave up the client, so the client's sockets must have been reset. The guest may have a
            // connection all the same, but the connection must not have ended in order.
            let isReset = own.allSatisfy { $0.end == .reset }
            let end = connections[script.index]?.end
            return isReset && end != .clean ? nil : "given up, but the guest saw \(end.map { "\($0)" } ?? "nothing")"
        }
        guard let connection = connections[script.index] else {
            guard script.guestListens else {
                // A client may fail before the guest has refused it.
                let isOver = own.allSatisfy { $0.end == .reset || fate.wasDisturbed && $0.end == .failed }
                return isOver ? nil : "refused without RST"
            }
            return fate.wasDisturbed ? nil : "it never began"
        }
        guard let end = connection.end else { return "the guest's end is still open" }
        switch script.connectAnswers.last {
        case .refused:
            return explained(end, fate, [.refused]) ? nil : "refused, but the guest saw \(end)"
        case .hostUnreachable, .networkUnreachable, .prohibited:
            return explained(end, fate, [.unreachable]) ? nil : "unreachable, but the guest saw \(end)"
        case .timedOut:
            return explained(end, fate, [.gaveUp]) ? nil : "timed out, but the guest saw \(end)"
        default: break
        }
        let isSecond = !fate.forgotten.isEmpty
        if fate.wasDisturbed && !isSecond { return faultOfDisturbed(script, connection, own) }
        if script.disturbance == .guestCloses && end == .abandoned { return nil }
        if case .guestReturns = script.disturbance {
            for connection in fate.forgotten {
                if let fault = faultOfWhole(script, connection, own, wholes: 1...2) { return fault }
            }
            return faultOfWhole(script, connection, own, wholes: isSecond ? 2...2 : 1...1)
        }
        return faultOfWhole(script, connection, own, wholes: isSecond ? 1...2 : 1...1)
    }

    private func explained(_ end: GuestConnection.End, _ fate: Fate, _ expected: [GuestConnection.End]) -> Bool {
        expected.contains(end) || (fate.wasDisturbed && (end == .abandoned || end == .gone))
    }

    /// Checks that both streams have arrived completely, and that both ends have seen end of file. The guest may have
    /// seen RST only after FIN in both directions. `wholes` says how many sockets must have carried the whole
    /// connection; other connected sockets must have been reset.
    private func faultOfWhole(
        _ script: FlowScript, _ connection: GuestConnection, _ own: [HostSocket], wholes: ClosedRange<Int>
    ) -> String? {
        let isLateRefusal = connection.end == .reset && connection.peerHasFinished && connection.finIsSent
        guard connection.end == .clean || isLateRefusal else {
            return "the guest saw \(connection.end.map { "\($0)" } ?? "")"
        }
        guard connection.received == script.hostBytes else { return "the guest has \(connection.received) bytes" }
        guard connection.peerHasFinished else { return "the guest saw no end of file" }
        var whole = 0
        for socket in own where socket.end != .connectFailed {
            if socket.received == script.guestBytes && socket.sent == script.hostBytes
                && socket.gaveEnd && socket.end == .closed
            {
                whole += 1
            } else if !(socket.end == .reset && (wholes == 1...2 || (socket.received == 0 && socket.sent == 0))) {
                return "socket \(socket.identifier) ended \(socket.end.map { "\($0)" } ?? "") with \(socket.received) "
                    + "bytes received and \(socket.sent) sent, shutdown \(socket.sawShutdown), end \(socket.gaveEnd)"
            }
        }
        return wholes.contains(whole) ? nil : "\(whole) sockets carried the whole connection"
    }

    /// Checks how the disturbance has ended the connection. If the host failed, the guest must have seen RST, unless
    /// FIN had been sent in both directions. If the guest went away, the host may have seen FIN only after all bytes
    /// of the guest.
    private func faultOfDisturbed(
        _ script: FlowScript, _ connection: GuestConnection, _ own: [HostSocket]
    ) -> String? {
        switch script.disturbance {
        case .hostFails:
            let isDone = connection.peerHasFinished && connection.finIsSent
            if connection.end == .reset || connection.end == .refused || isDone { return nil }
            return "the host failed, but the guest saw \(connection.end.map { "\($0)" } ?? "")"
        case .guestResets, .guestVanishes:
            for socket in own where socket.end == .closed && socket.received != script.guestBytes {
                return "the guest went away, but socket \(socket.identifier) was closed in order"
            }
            return nil
        default:
            return nil
        }
    }
}
