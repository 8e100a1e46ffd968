internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// The guest's side: its connections, its link, and its reply to segments that belong to no connection.
extension SimulatedNetwork {
    func start(_ flow: Int) {
        let script = scenario.flows[flow]
        fates[flow].hasStarted = true
        if script.isOpenedByHost {
            openFromHost(flow)
        } else if !fates[flow].hasVanished {
            openFromGuest(flow)
        }
    }

    private func openFromGuest(_ flow: Int) {
        let connection = GuestConnection(scenario.flows[flow], random: random.split(), now: now)
        connections[flow] = connection
        fates[flow].hadConnection = true
        connection.open()
        settle(flow)
    }

    func disturb(_ flow: Int) {
        let connection = connections[flow]
        let isAlive = connection.map { !$0.isOver } ?? false
        log("flow \(flow): \(scenario.flows[flow].disturbance)")
        switch scenario.flows[flow].disturbance {
        case .none, .guestCloses, .guestReturns: break
        case .guestResets:
            guard isAlive, let connection else { return }
            fates[flow].wasDisturbed = !connection.isWaiting
            connection.reset()
            settle(flow)
        case .guestVanishes:
            fates[flow].hasVanished = true
            fates[flow].wasDisturbed = true
            connection?.finish(.gone)
        case .guestForgets:
            guard let connection else { return }
            fates[flow].wasDisturbed = true
            connection.finish(.gone)
            fates[flow].forgotten.append(connection)
            connections[flow] = nil
        case .hostFails:
            failSockets(of: flow)
        }
    }

    func reopen(_ flow: Int) {
        guard fates[flow].wasDisturbed else { return }
        openFromGuest(flow)
    }

    /// Schedules a second connection from the same port, if the disturbance is `guestReturns` and the first has ended
    /// cleanly.
    private func comeAgain(_ flow: Int) {
        guard case .guestReturns(let delay) = scenario.flows[flow].disturbance, !fates[flow].wasDisturbed,
            let connection = connections[flow], connection.end == .clean
        else { return }
        fates[flow].wasDisturbed = true
        fates[flow].forgotten.append(connection)
        events.schedule(.reopen(flow), at: now + delay + scenario.quietTime)
    }

    func guestWakes(_ flow: Int) {
        wakes[flow] = .max
        guard let connection = connections[flow] else { return }
        connection.now = now
        if let at = connection.wakesAt, at <= now { connection.tick() }
        settle(flow)
    }

    /// Called after each event of a connection: sends its frames and schedules its next timer.
    private func settle(_ flow: Int) {
        guard let connection = connections[flow] else { return }
        let frames = connection.outbox
        connection.outbox = []
        for frame in frames { sendFromGuest(frame) }
        if let complaint = connection.complaint { fail("flow \(flow): the guest complains: \(complaint)") }
        if connection.isOver { comeAgain(flow) }
        if let at = connection.wakesAt, at < wakes[flow] {
            wakes[flow] = at
            events.schedule(.guestWakes(flow), at: max(at, now))
        }
    }

    // MARK: The link

    func sendFromGuest(_ frame: [UInt8]) {
        report.framesFromGuest += 1
        log("guest → \(Segment(readingFrom: frame).map { "\($0)" } ?? "?")")
        for delivery in toStack.carry(frame, now: now) {
            events.schedule(.frameToStack(delivery.frame, isIntact: delivery.isIntact), at: delivery.time)
        }
    }

    func deliverToStack(_ frame: [UInt8], isIntact: Bool) {
        let lease = pool.pointee.lease(.large)
        guard !lease.isNone else {
            // The link retries until a buffer is free.
            events.schedule(.frameToStack(frame, isIntact: isIntact), at: now + 500_000)
            return
        }
        recorder?.frameFromGuest(frame, now: now)
        frame.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress { space.address(of: lease).copyMemory(from: base, byteCount: bytes.count) }
        }
        var summary = FrameSummary()
        let held = UnsafeRawBufferPointer(start: space.address(of: lease), count: frame.count)
        let reason = FrameSummary.parse(held, into: &summary)
        guard reason == .none else {
            if isIntact { fail("an intact frame was refused: \(reason)") }
            counters.addRefused(reason: reason.rawValue)
            return pool.pointee.release(lease)
        }
        guard isIntact, let segment = Segment(readingFrom: frame), let flow = flow(ofGuestPort: segment.sourcePort)
        else { return stack.receiveFrame(summary, lease, length: frame.count) }
        log("stack ← \(segment)")
        observers[flow].noteFromGuest(segment)
        stack.receiveFrame(summary, lease, length: frame.count)
        perform()
        observers[flow].settle()
    }

    func sendToGuest(_ frame: [UInt8]) {
        report.framesToGuest += 1
        recorder?.frameToGuest(frame, now: now)
        let isTCP = FrameLayout.isIPv4(frame) ? frame[FrameLayout.ip + 9] == 6 : frame[FrameLayout.ip + 6] == 6
        var segmentLimit: Int?
        if isTCP, let segment = Segment(readingFrom: frame), let flow = flow(ofGuestPort: segment.destinationPort) {
            log("stack → \(segment)")
            segmentLimit = self.segmentLimit(of: flow)
            let behavior = scenario.flows[flow].behavior
            let mayDrop = counters.read(.tcpOutOfOrderDropped) > 0 || counters.read(.droppedNoBuffer) > 0
            if let fault = observers[flow].noteToGuest(segment, guestScale: behavior.windowScale, mayDrop: mayDrop) {
                fail("flow \(flow): \(fault)")
            }
        }
        if let fault = inspector.fault(in: frame, segmentLimit: segmentLimit) { fail("a bad frame: \(fault)") }
        let isSuperFrame = frame[1] != 0
        let mustCut = isTCP && (scenario.linkCuts || (isSuperFrame && random.chance(0.01)))
        for piece in mustCut ? FrameLayout.cut(frame) : [frame] {
            for delivery in toGuest.carry(piece, now: now) {
                events.schedule(.frameToGuest(delivery.frame), at: delivery.time)
            }
        }
    }

    /// The most bytes of payload that a segment to this guest may have.
    private func segmentLimit(of flow: Int) -> Int {
        let script = scenario.flows[flow]
        let own = scenario.plan.mtu - (script.isIPv6 ? 60 : 40)
        let offered = script.behavior.maximumSegmentSize ?? (script.isIPv6 ? 1_220 : 536)
        // The timestamps option in every segment leaves 12 bytes less for the payload (RFC 6691).
        return min(own, max(88, offered)) - (script.behavior.offersTimestamps ? 12 : 0)
    }

    func flow(ofGuestPort port: Int) -> Int? {
        let index = port - 40_000
        return scenario.flows.indices.contains(index) ? index : nil
    }

    // MARK: Receiving in the guest

    func deliverToGuest(_ frame: [UInt8]) {
        guard isSound(frame) else { return }
        let protocolNumber = FrameLayout.isIPv4(frame) ? frame[FrameLayout.ip + 9] : frame[FrameLayout.ip + 6]
        guard protocolNumber == 6 else { return hearError(frame) }
        guard let segment = Segment(readingFrom: frame), let flow = flow(ofGuestPort: segment.destinationPort) else {
            return fail("a segment for no known port: \(Segment(readingFrom: frame).map { "\($0)" } ?? "?")")
        }
        if fates[flow].hasVanished { return }
        log("guest ← \(segment)")
        let script = scenario.flows[flow]
        if connections[flow] == nil, script.isOpenedByHost, script.guestListens, segment.flags == .syn,
            !fates[flow].hadConnection
        {
            let connection = GuestConnection(script, random: random.split(), now: now)
            connections[flow] = connection
            fates[flow].hadConnection = true
            connection.accept(segment)
            return settle(flow)
        }
        guard let connection = connections[flow], !connection.isOver else { return refuse(segment, flow) }
        connection.now = now
        connection.receive(segment, in: frame)
        if connection.peerHasFinished, report.deliveredAt == 0 { report.deliveredAt = now - scenario.startsAt }
        settle(flow)
    }

    /// Sends RST in reply to a segment that belongs to no connection (RFC 9293 §3.10.7.1).
    private func refuse(_ segment: Segment, _ flow: Int) {
        guard !segment.flags.contains(.rst) else { return }
        var answer = Segment()
        answer.sourcePort = segment.destinationPort
        answer.destinationPort = segment.sourcePort
        if segment.flags.contains(.ack) {
            answer.flags = .rst
            answer.sequence = segment.acknowledgement
        } else {
            answer.flags = [.rst, .ack]
            answer.acknowledgement = segment.sequence &+ UInt32(segment.extent)
        }
        let builder = GuestFrameBuilder(script: scenario.flows[flow], segmentSize: 1_000)
        sendFromGuest(builder.frame(answer, options: [], payloadLength: 0, leavesChecksum: false) { _ in })
    }

    /// Checks lengths and checksums as a kernel does, because the link may have damaged the frame since
    /// `FrameInspector` checked it.
    private func isSound(_ frame: [UInt8]) -> Bool {
        let at = FrameLayout.ip
        if FrameLayout.isIPv4(frame) {
            guard frame[at] == 0x45, FrameLayout.sum(frame[at..<at + 20]) == 0xFFFF,
                FrameLayout.word(frame, at + 2) == frame.count - at
            else { return false }
        } else {
            guard frame[at] >> 4 == 6, FrameLayout.word(frame, at + 4) == frame.count - at - 40,
                frame[at + 6] == 6 || frame[at + 6] == 58
            else { return false }
        }
        let isTCP = FrameLayout.isIPv4(frame) ? frame[at + 9] == 6 : frame[at + 6] == 6
        guard isTCP, !FrameLayout.hasPartialChecksum(frame) else { return true }
        let tcp = at + FrameLayout.ipHeaderLength(frame)
        return FrameLayout.sum(frame[tcp...], FrameLayout.pseudoHeader(frame, tcpLength: frame.count - tcp)) == 0xFFFF
    }

    /// Ends a connection in SYN-SENT if the frame is an ICMP "destination unreachable" that quotes the guest's SYN.
    private func hearError(_ frame: [UInt8]) {
        let isIPv4 = FrameLayout.isIPv4(frame)
        let message = FrameLayout.ip + FrameLayout.ipHeaderLength(frame)
        guard frame.count > message, frame[message] == (isIPv4 ? 3 : 1) else { return }
        let quoted = message + 8 + (isIPv4 ? 20 : 40)
        guard frame.count >= quoted + 8 else { return fail("an ICMP error that quotes too little") }
        guard let flow = flow(ofGuestPort: FrameLayout.word(frame, quoted)), let connection = connections[flow] else {
            return
        }
        log("guest ← ICMP \(frame[message]).\(frame[message + 1]) about flow \(flow)")
        if connection.phase == .synSent, FrameLayout.long(frame, quoted + 4) == connection.wire(0) {
            connection.finish(.unreachable)
        }
    }
}
