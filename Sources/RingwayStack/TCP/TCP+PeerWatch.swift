internal import RingwayStorage
internal import RingwayWire

/// Watches whether the far end of a connection, the peer of the host socket, is alive (`PeerWatch`).
extension TCP {
    /// Data is passed to the host socket: the host's kernel is queried to find out whether it reaches the far end.
    @inline(never)
    mutating func startPeerQueries(_ flow: TCPFlow, _ core: inout StackCore) {
        guard flow.isWatchable else { return }
        flow.pointee.watch.beginQueries(now: core.now)
        armTimer(flow, &core)
    }

    /// The guest has pushed data. Its last byte is acknowledged only when the far end is known to be alive. True if
    /// no acknowledgement at all is to be sent yet, because the data is short and no acknowledgement of earlier data
    /// is deferred.
    @inline(__always)
    mutating func withhold(_ flow: TCPFlow, length: Int, _ core: inout StackCore) -> Bool {
        if flow.pointee.watch.trusts(now: core.now) && !flow.pointee.marks.contains(.silent) {
            flow.pointee.marks.remove(.withholds)
            return false
        }
        return withholdFromStranger(flow, length: length, &core)
    }

    @inline(never)
    private mutating func withholdFromStranger(_ flow: TCPFlow, length: Int, _ core: inout StackCore) -> Bool {
        guard flow.isWatchable, flow.pointee.receive.outOfOrder.isEmpty else {
            flow.pointee.marks.remove(.withholds)
            return false
        }
        flow.pointee.marks.insert(.withholds)
        flow.pointee.marks.remove(.probed)
        if flow.pointee.marks.contains(.silent) { return false }
        flow.pointee.watch.await(now: core.now)
        armTimer(flow, &core)
        let isFirst = !flow.pointee.marks.contains(.deferred)
        guard isFirst, length <= 2 &* Int(flow.pointee.send.segmentSize) else { return false }
        flow.pointee.marks.insert(.deferred)
        return true
    }

    /// Handles a segment that may be a keepalive probe. True if it is a probe whose answer waits for the far end.
    /// Otherwise the segment must be answered at once, like any old segment.
    mutating func receiveProbe(_ flow: TCPFlow, _ header: TCPHeader, _ core: inout StackCore) -> Bool {
        let isProbe =
            header.sequence == flow.pointee.receive.nxt.advanced(by: -1) && header.payload.count <= 1
            && header.flags.contains(.ack) && header.flags.isDisjoint(with: [.syn, .fin, .rst])
        // With a closed window the segment may be a window probe, which is answered at once. While a byte is withheld,
        // the segment may be a retransmission of that byte.
        guard isProbe, flow.isWatchable, flow.pointee.receive.offered != 0, flow.pointee.receive.unsent.isEmpty,
            flow.pointee.receive.outOfOrder.isEmpty, !flow.pointee.marks.contains(.withholds)
        else { return false }
        if flow.pointee.marks.contains(.silent) { return true }
        if core.now &- flow.pointee.watch.lastSegmentAt < PeerWatch.keepaliveTrust { return false }
        core.counters.add(.tcpKeepalivesWaiting)
        flow.pointee.marks.insert(.probed)
        flow.pointee.watch.await(now: core.now)
        armTimer(flow, &core)
        // The host's kernel is also made to send a keepalive probe to the far end.
        var effect = streamEffect(.inspectStream, flow)
        effect.options = .solicits
        core.effects.append(effect)
        return true
    }

    /// A query of the far end is due.
    mutating func inspect(_ flow: TCPFlow, _ core: inout StackCore) {
        flow.pointee.watch.stopQueries()
        // In SYN-SENT the far end is a client of a published port, which may close the connection before the guest
        // answers. The shard is asked to watch the socket for that.
        if flow.pointee.state == .synSent {
            flow.pointee.marks.insert(.watched)
            var effect = streamEffect(.watchStream, flow)
            effect.options = .reportsEnd
            return core.effects.append(effect)
        }
        guard flow.isWatchable else { return }
        core.effects.append(streamEffect(.inspectStream, flow))
    }

    /// The reply to `inspectStream`: what the host's kernel knows about a connection's far end.
    mutating func streamReported(_ handle: Handle, _ report: PeerReport, _ core: inout StackCore) {
        guard let flow = connections.pointer(to: handle) else { return }
        if flow.pointee.marks.contains(.probed) {
            switch flow.pointee.watch.judgeProbe(report, now: core.now) {
            case .alive: peerResponded(flow)
            case .undecided: flow.pointee.marks.remove(.probed)
            default: break
            }
            return armTimer(flow, &core)
        }
        let isSilent = flow.pointee.marks.contains(.silent)
        let verdict = flow.pointee.watch.judge(
            report, now: core.now,
            isDrained: flow.pointee.receive.unsent.isEmpty && !flow.pointee.marks.contains(.sending))
        switch verdict {
        case .delivered, .alive: peerResponded(flow)
        case .undecided:
            if flow.pointee.marks.contains(.withholds), !isSilent {
                flow.pointee.marks.remove(.withholds)
                oweAcknowledgement(flow)
            }
        case .silent where !isSilent:
            core.counters.add(.tcpPeersSilent)
            flow.pointee.watch.acknowledged = flow.acknowledgement
            flow.pointee.marks.insert(.silent)
        case .silent, .unknown: break
        }
        armTimer(flow, &core)
    }

    /// The far end is alive: sends the acknowledgements that waited for this.
    @inline(never)
    mutating func peerResponded(_ flow: TCPFlow) {
        guard !flow.pointee.marks.isDisjoint(with: .awaitsPeer) else { return }
        flow.pointee.marks.subtract(.awaitsPeer)
        oweAcknowledgement(flow)
    }
}
