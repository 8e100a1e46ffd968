internal import RingwayModel
internal import RingwayRing
internal import RingwayStack
internal import RingwayWire

/// The guest's side: its connections, its link, and its reply to segments that belong to no connection.
extension EngineNetwork {
    func start(_ flow: Int) {
        let script = scenario.base.flows[flow]
        guard !fates[flow].hasStarted, !isStopping else { return }
        fates[flow].hasStarted = true
        if script.isOpenedByHost {
            openFromHost(flow)
        } else if !fates[flow].hasVanished {
            openFromGuest(flow)
        }
    }

    private func openFromGuest(_ flow: Int) {
        let connection = GuestConnection(scenario.base.flows[flow], random: random.split(), now: now)
        connections[flow] = connection
        fates[flow].hadConnection = true
        connection.open()
        settle(flow)
    }

    /// Queues the guest's first frames, an ARP request for the gateway and a neighbour advertisement. Every IP host
    /// sends such frames before others; they show the engine the guest's IPv4 and IPv6 addresses.
    func showGuest() {
        let plan = scenario.base.plan
        taps[0].append(GuestNeighborFrames.announceIPv4(plan))
        taps[0].append(GuestNeighborFrames.announceIPv6(plan))
    }

    // MARK: Disturbances

    func scheduleDisturbance(of script: FlowScript) {
        let flow = script.index
        switch script.disturbance {
        case .none, .guestCloses, .guestReturns: break
        case .guestResets(let at), .guestVanishes(let at), .hostFails(let at):
            schedule(after: at) { [unowned self] in disturb(flow) }
        case .guestForgets(let at, let reopens):
            schedule(after: at) { [unowned self] in disturb(flow) }
            schedule(after: max(reopens, at + 1) + quietTime) { [unowned self] in reopen(flow) }
        }
    }

    /// The longest time that a segment of an earlier connection may take to arrive, including the host's delays.
    private var quietTime: UInt64 {
        scenario.base.quietTime + 4 * (host.script.attemptDelay + host.script.completionDelay)
    }

    private func disturb(_ flow: Int) {
        let connection = connections[flow]
        let isAlive = connection.map { !$0.isOver } ?? false
        log("flow \(flow): \(scenario.base.flows[flow].disturbance)")
        switch scenario.base.flows[flow].disturbance {
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
            for peer in peers where peer.script.index == flow && !peer.isOver && !peer.isInsideGuest {
                fates[flow].wasDisturbed = true
                peer.fail()
            }
        }
    }

    private func reopen(_ flow: Int) {
        guard fates[flow].wasDisturbed, !isStopping else { return }
        openFromGuest(flow)
    }

    /// Schedules a second connection from the same port, if the disturbance is `guestReturns` and the first has ended
    /// cleanly.
    private func comeAgain(_ flow: Int) {
        guard case .guestReturns(let delay) = scenario.base.flows[flow].disturbance, !fates[flow].wasDisturbed,
            let connection = connections[flow], connection.end == .clean
        else { return }
        fates[flow].wasDisturbed = true
        fates[flow].forgotten.append(connection)
        schedule(after: delay + quietTime) { [unowned self] in reopen(flow) }
    }

    private func guestWakes(_ flow: Int) {
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
        for frame in frames { sendFromGuest(frame, flow: flow) }
        if let complaint = connection.complaint { fail("flow \(flow): the guest complains: \(complaint)") }
        if connection.isOver { comeAgain(flow) }
        if let at = connection.wakesAt, at < wakes[flow] {
            wakes[flow] = at
            schedule(after: max(at, now) - now) { [unowned self] in guestWakes(flow) }
        }
    }

    // MARK: The link

    func sendFromGuest(_ frame: [UInt8], flow: Int?) {
        guard !isStopping else { return }
        report.framesFromGuest += 1
        if let flow, random.chance(scenario.queueChanges) { queues[flow] = random.integer(0...Self.shardCount - 1) }
        let queue = flow.map { queues[$0] } ?? random.integer(0...Self.shardCount - 1)
        for delivery in toStack.carry(frame, now: now) {
            schedule(after: delivery.time - now) { [unowned self] in
                guard taps.indices.contains(queue), taps[queue].holds > 0 else { return }
                host.note(2, UInt64(delivery.frame.count), UInt64(queue))
                taps[queue].append(delivery.frame)
            }
        }
    }

    func frameTaken(_ frame: [UInt8]) {
        guard let segment = tcpSegment(frame), let flow = flow(ofGuestPort: segment.sourcePort) else { return }
        log("engine ← \(segment)")
        if isOfFlow(frame, remotePort: segment.destinationPort, flow) { observers[flow].noteFromGuest(segment) }
    }

    /// Whether a segment belongs to the connection that the flow's script describes. Any other segment belongs to a
    /// second client of the published port, which appears under another port, or to a client that was connected to the
    /// guest's address of the other family (`wasMoved`).
    private func isOfFlow(_ frame: [UInt8], remotePort: Int, _ flow: Int) -> Bool {
        let script = scenario.base.flows[flow]
        return FrameLayout.isIPv4(frame) != script.isIPv6 && remotePort == Int(script.remote.port)
    }

    /// The TCP segment in a valid frame; `nil` for any other frame.
    private func tcpSegment(_ frame: [UInt8]) -> Segment? {
        guard frame.count >= FrameLayout.ip + 40, isIP(frame), protocolNumber(frame) == 6 else { return nil }
        guard isSound(frame) else { return nil }
        return Segment(readingFrom: frame)
    }

    func isIP(_ frame: [UInt8]) -> Bool {
        let type = FrameLayout.word(frame, FrameLayout.virtio + 12)
        return type == 0x0800 || type == 0x86DD
    }

    func protocolNumber(_ frame: [UInt8]) -> UInt8 {
        FrameLayout.isIPv4(frame) ? frame[FrameLayout.ip + 9] : frame[FrameLayout.ip + 6]
    }

    func frameWritten(_ frame: [UInt8]) {
        report.framesToGuest += 1
        host.note(3, UInt64(frame.count))
        recorder?.frameToGuest(frame, now: now)
        guard frame.count >= FrameLayout.ip + 28 else { return fail("a frame of \(frame.count) bytes") }
        guard isIP(frame) else { return }
        let isTCP = protocolNumber(frame) == 6
        var segmentLimit: Int?
        if isTCP, let segment = Segment(readingFrom: frame), let flow = flow(ofGuestPort: segment.destinationPort) {
            log("engine → \(segment)")
            segmentLimit = self.segmentLimit(of: flow)
            let behavior = scenario.base.flows[flow].behavior
            if isOfFlow(frame, remotePort: segment.sourcePort, flow),
                let fault = observers[flow].noteToGuest(segment, guestScale: behavior.windowScale, mayDrop: true)
            {
                fail("flow \(flow): \(fault)")
            }
        }
        if let fault = inspector.fault(in: frame, segmentLimit: segmentLimit) { fail("a bad frame: \(fault)") }
        let isSuperFrame = frame[1] != 0
        let mustCut = isTCP && (scenario.base.linkCuts || (isSuperFrame && random.chance(0.01)))
        for piece in mustCut ? FrameLayout.cut(frame) : [frame] {
            for delivery in toGuest.carry(piece, now: now) {
                schedule(after: delivery.time - now) { [unowned self] in deliverToGuest(delivery.frame) }
            }
        }
    }

    /// The most bytes of payload that a segment to this guest may have.
    private func segmentLimit(of flow: Int) -> Int {
        let script = scenario.base.flows[flow]
        let own = scenario.base.plan.mtu - (script.isIPv6 ? 60 : 40)
        let offered = script.behavior.maximumSegmentSize ?? (script.isIPv6 ? 1_220 : 536)
        return min(own, max(88, offered)) - (script.behavior.offersTimestamps ? 12 : 0)
    }

    func flow(ofGuestPort port: Int) -> Int? {
        let index = port - 40_000
        return scenario.base.flows.indices.contains(index) ? index : nil
    }

    // MARK: Receiving in the guest

    private func deliverToGuest(_ frame: [UInt8]) {
        guard isSound(frame) else { return }
        switch protocolNumber(frame) {
        case 6: hearSegment(frame)
        case 17: hearDatagram(frame)
        case 1: hearICMP(frame)
        default: hearError(frame)
        }
    }

    private func hearSegment(_ frame: [UInt8]) {
        guard let segment = Segment(readingFrom: frame), let flow = flow(ofGuestPort: segment.destinationPort) else {
            return fail("a segment for no port of the guest's")
        }
        if fates[flow].hasVanished { return }
        log("guest ← \(segment)")
        let script = scenario.base.flows[flow]
        guard isOfFlow(frame, remotePort: segment.sourcePort, flow) else {
            if FrameLayout.isIPv4(frame) == script.isIPv6 { fates[flow].wasMoved = true }
            return refuse(segment, script, inAnswerTo: frame)
        }
        if connections[flow] == nil, script.isOpenedByHost, script.guestListens, segment.flags == .syn,
            !fates[flow].hadConnection
        {
            let connection = GuestConnection(script, random: random.split(), now: now)
            connections[flow] = connection
            fates[flow].hadConnection = true
            connection.accept(segment)
            return settle(flow)
        }
        guard let connection = connections[flow], !connection.isOver else {
            return refuse(segment, script, inAnswerTo: frame)
        }
        connection.now = now
        connection.receive(segment, in: frame)
        settle(flow)
    }

    /// Sends RST in reply to a segment that belongs to no connection (RFC 9293 §3.10.7.1).
    private func refuse(_ segment: Segment, _ script: FlowScript, inAnswerTo frame: [UInt8]) {
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
        var script = script
        script.isIPv6 = !FrameLayout.isIPv4(frame)
        script.remote.address = address(frame, isSource: true)
        script.guest.address = address(frame, isSource: false)
        let builder = GuestFrameBuilder(script: script, segmentSize: 1_000)
        sendFromGuest(
            builder.frame(answer, options: [], payloadLength: 0, leavesChecksum: false) { _ in }, flow: script.index)
    }

    func address(_ frame: [UInt8], isSource: Bool) -> IPAddress {
        let at = FrameLayout.ip
        if FrameLayout.isIPv4(frame) {
            return IPAddress(IPv4Address(rawValue: FrameLayout.long(frame, at + (isSource ? 12 : 16))))
        }
        func word(_ at: Int) -> UInt64 {
            UInt64(FrameLayout.long(frame, at)) << 32 | UInt64(FrameLayout.long(frame, at + 4))
        }
        let start = at + (isSource ? 8 : 24)
        return IPAddress(IPv6Address(high: word(start), low: word(start + 8)))
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
            guard frame[at] >> 4 == 6, FrameLayout.word(frame, at + 4) == frame.count - at - 40 else { return false }
        }
        let number = protocolNumber(frame)
        guard number == 6 || number == 17 || number == 1 else { return number == 58 }
        let start = at + FrameLayout.ipHeaderLength(frame)
        guard !FrameLayout.hasPartialChecksum(frame) else { return true }
        if number == 1 { return FrameLayout.sum(frame[start...]) == 0xFFFF }
        let addresses = FrameLayout.isIPv4(frame) ? frame[at + 12..<at + 20] : frame[at + 8..<at + 40]
        let pseudo = FrameLayout.sum(addresses, UInt64(number) + UInt64(frame.count - start))
        return FrameLayout.sum(frame[start...], pseudo) == 0xFFFF
    }

    /// Ends a connection in SYN-SENT if the frame is an ICMP "destination unreachable" that quotes the guest's SYN.
    func hearError(_ frame: [UInt8]) {
        let isIPv4 = FrameLayout.isIPv4(frame)
        let message = FrameLayout.ip + FrameLayout.ipHeaderLength(frame)
        guard frame.count > message, frame[message] == (isIPv4 ? 3 : 1) else { return }
        let quoted = message + 8 + (isIPv4 ? 20 : 40)
        guard frame.count >= quoted + 8 else { return fail("an ICMP error that quotes too little") }
        guard let flow = flow(ofGuestPort: FrameLayout.word(frame, quoted)), let connection = connections[flow] else {
            return
        }
        if connection.phase == .synSent, FrameLayout.long(frame, quoted + 4) == connection.wire(0) {
            connection.finish(.unreachable)
        }
    }
}
