public import RingwayStorage
internal import RingwayWire

/// Where a connection's watch over the far end meets the connection. `PeerWatch` tells what this is for.
extension Stack {
    /// Bytes are given to the socket: the far end must come to have them.
    @inline(never)
    mutating func lookAfter(_ flow: UnsafeMutablePointer<TCPConnection>) {
        guard flow.isWatchable else { return }
        flow.pointee.watch.beginLooking(now: now)
        armTimer(flow)
    }

    /// The guest has pushed data: its last byte is acknowledged when the far end is known to be there. True when that puts
    /// off the whole acknowledgement, as that of a first small segment can be.
    @inline(__always)
    mutating func withhold(_ flow: UnsafeMutablePointer<TCPConnection>, length: Int) -> Bool {
        if flow.pointee.watch.trusts(now: now) && !flow.pointee.marks.contains(.silent) {
            flow.pointee.marks.remove(.withholds)
            return false
        }
        return withholdFromStranger(flow, length: length)
    }

    @inline(never)
    private mutating func withholdFromStranger(
        _ flow: UnsafeMutablePointer<TCPConnection>, length: Int
    ) -> Bool {
        guard flow.isWatchable, flow.pointee.outOfOrder.isNone else {
            flow.pointee.marks.remove(.withholds)
            return false
        }
        flow.pointee.marks.insert(.withholds)
        flow.pointee.marks.remove(.probed)
        if flow.pointee.marks.contains(.silent) { return false }
        flow.pointee.watch.await(now: now)
        armTimer(flow)
        let isFirst = !flow.pointee.marks.contains(.deferred)
        guard isFirst, length <= 2 &* Int(flow.pointee.segmentSize) else { return false }
        flow.pointee.marks.insert(.deferred)
        return true
    }

    /// A keepalive probe of the guest's, which asks whether the far end is there. False when it is to be answered as any
    /// old segment is.
    mutating func receiveProbe(_ flow: UnsafeMutablePointer<TCPConnection>, _ header: TCPHeader) -> Bool {
        let isProbe =
            header.sequence == flow.pointee.rcvNxt.advanced(by: -1) && header.payload.count <= 1
            && header.flags.contains(.ack) && header.flags.isDisjoint(with: [.syn, .fin, .rst])
        // A closed window may be what it asks about.
        guard isProbe, flow.isWatchable, flow.pointee.rcvEdge != flow.pointee.rcvNxt, flow.pointee.parked.isEmpty,
            flow.pointee.outOfOrder.isNone, !flow.pointee.marks.contains(.withholds)
        else { return false }
        if flow.pointee.marks.contains(.silent) { return true }
        if now &- flow.pointee.watch.heardAt < PeerWatch.keepaliveTrust { return false }
        counters.add(.tcpKeepalivesWaiting)
        flow.pointee.marks.insert(.probed)
        flow.pointee.watch.await(now: now)
        armTimer(flow)
        // Asked to make the far end say something, too.
        var effect = streamEffect(.inspectStream, flow)
        effect.options = .solicits
        effects.append(effect)
        return true
    }

    /// A look is due.
    mutating func inspect(_ flow: UnsafeMutablePointer<TCPConnection>) {
        flow.pointee.watch.lookAt = 0
        // The guest has not answered its client, who may leave meanwhile.
        if flow.pointee.state == .synSent {
            flow.pointee.marks.insert(.watched)
            var effect = streamEffect(.watchStream, flow)
            effect.options = .reportsEnd
            return effects.append(effect)
        }
        guard flow.isWatchable else { return }
        effects.append(streamEffect(.inspectStream, flow))
    }

    /// What the host's kernel says of the far end of a connection; the answer to `inspectStream`.
    public mutating func streamReported(_ handle: Handle, _ report: PeerReport) {
        guard let flow = connections.pointer(to: handle) else { return }
        if flow.pointee.marks.contains(.probed) {
            switch flow.pointee.watch.judgeProbe(report, now: now) {
            case .alive: hearPeer(flow)
            case .undecided: flow.pointee.marks.remove(.probed)
            default: break
            }
            return armTimer(flow)
        }
        let isSilent = flow.pointee.marks.contains(.silent)
        let verdict = flow.pointee.watch.judge(
            report, now: now, isDrained: flow.pointee.parked.isEmpty && !flow.pointee.marks.contains(.sending))
        switch verdict {
        case .delivered, .alive: hearPeer(flow)
        case .undecided:
            if flow.pointee.marks.contains(.withholds), !isSilent {
                flow.pointee.marks.remove(.withholds)
                oweAcknowledgement(flow)
            }
        case .silent where !isSilent:
            counters.add(.tcpPeersSilent)
            flow.pointee.watch.acknowledged = flow.acknowledgement
            flow.pointee.marks.insert(.silent)
        case .silent, .unknown: break
        }
        armTimer(flow)
    }

    /// The far end is there: what waited for a sign of it is acknowledged.
    mutating func hearPeer(_ flow: UnsafeMutablePointer<TCPConnection>) {
        guard !flow.pointee.marks.isDisjoint(with: .awaitsPeer) else { return }
        flow.pointee.marks.subtract(.awaitsPeer)
        oweAcknowledgement(flow, urgent: true)
    }
}

extension UnsafeMutablePointer<TCPConnection> {
    /// Whether the far end is one that the host's kernel knows about, and the guest still speaks.
    @inline(__always) var isWatchable: Bool {
        let marks = pointee.marks
        guard marks.contains(.socket), !marks.contains(.service) else { return false }
        switch pointee.state {
        case .established, .finWait1, .finWait2, .closeWait: return true
        default: return false
        }
    }
}
