internal import RingwayEngine
internal import RingwayModel
internal import RingwayStack
internal import RingwayWire

/// The state of an exchange of datagrams. Datagrams may be lost, but must not be changed or misdelivered.
final class DatagramExchange {
    let script: EngineScenario.Exchange
    /// The pattern from which payloads are taken, at an offset that depends on the datagram's number.
    let pattern: StreamPattern
    var sent = 0
    /// The numbers of the datagrams that were answered.
    var answered = Set<Int>()
    /// The number of the first datagram sent after `certainAt`. This datagram and all later ones must be answered.
    var certainFrom: Int?
    /// The host's socket of a published port, on which clients' datagrams arrive.
    var published: ModelDatagramSocket?

    init(_ script: EngineScenario.Exchange, seed: UInt64) {
        self.script = script
        pattern = StreamPattern(seed: SplitMix64.mix(seed &+ UInt64(script.index)))
    }

    /// The payload of a datagram: its number in two bytes, a byte that is 1 in an answer, then a part of the pattern.
    /// A request and its answer have different parts.
    func payload(_ number: Int, isAnswer: Bool) -> [UInt8] {
        var payload = [UInt8](repeating: 0, count: script.size)
        FrameLayout.put(number, &payload, 0)
        payload[2] = isAnswer ? 1 : 0
        payload.withUnsafeMutableBytes { bytes in
            if let base = bytes.baseAddress {
                pattern.fill(base + 3, script.size - 3, from: (number * 2 + (isAnswer ? 1 : 0)) * script.size)
            }
        }
        return payload
    }

    /// The number of the datagram with this payload; `nil` if no such datagram was sent.
    func number(of payload: [UInt8], isAnswer: Bool) -> Int? {
        guard payload.count == script.size else { return nil }
        let number = FrameLayout.word(payload, 0)
        return number < sent && payload == self.payload(number, isAnswer: isAnswer) ? number : nil
    }
}

/// Datagrams: the guest's UDP and pings, and clients of published UDP ports.
extension EngineNetwork {
    /// The time from which no datagram is lost: a second after the faults of the link and of the host have ended.
    private var certainAt: UInt64 { max(host.healsAt, toStack.healsAt) + 1_000_000_000 }

    private var guestAddress: IPAddress { IPAddress(scenario.base.plan.firstGuestIPv4) }

    func startExchanges() {
        for script in scenario.exchanges {
            let exchange = DatagramExchange(script, seed: scenario.seed)
            exchanges.append(exchange)
            if script.isPublished { publish(exchange) }
            schedule(after: script.startsAt) { [unowned self] in goOn(exchange) }
        }
    }

    private func publish(_ exchange: DatagramExchange) {
        guard let engine else { return }
        let script = exchange.script
        let bound = TransportAddress(address: IPAddress(IPv4Address(198, 51, 100, 200)), port: script.remote.port)
        let socket = ModelDatagramSocket(host, ipv4: true, isEcho: false, local: bound)
        let descriptor = host.open(socket)
        guard descriptor >= 0 else { return }
        exchange.published = socket
        ports.append(descriptor)
        let guest = TransportAddress(address: guestAddress, port: script.guestPort)
        engine.listen(
            descriptor, on: engine.part(ofDatagramPort: guest), forward: UInt32(32 + script.index), guest: guest,
            isStream: false)
    }

    /// Sends the next request of an exchange, from the guest or from the published port's client, and schedules the
    /// one after it.
    private func goOn(_ exchange: DatagramExchange) {
        let script = exchange.script
        guard exchange.sent < script.count, !isStopping, !hasAskedForPorts else { return }
        let number = exchange.sent
        exchange.sent += 1
        if exchange.certainFrom == nil, now > certainAt { exchange.certainFrom = number }
        let payload = exchange.payload(number, isAnswer: false)
        if let published = exchange.published {
            published.deliver(payload, from: script.remote)
        } else if !script.isPublished {
            let guest = TransportAddress(address: guestAddress, port: script.guestPort)
            sendFromGuest(
                GuestNeighborFrames.datagram(
                    from: guest, to: script.remote, payload: payload, echo: script.isEcho ? number : nil),
                flow: nil)
        }
        schedule(after: random.time(0...script.interval)) { [unowned self] in goOn(exchange) }
    }

    // MARK: On the host

    func datagramSent(_ payload: [UInt8], by socket: ModelDatagramSocket, to address: TransportAddress) {
        host.note(7, UInt64(payload.count), UInt64(address.port))
        guard !socket.isEcho else { return echoSent(payload, by: socket, to: address) }
        guard let exchange = exchanges.first(where: { !$0.script.isEcho && $0.script.remote == address }) else {
            return fail("a datagram to \(address), where nothing is")
        }
        let isAnswer = exchange.script.isPublished
        if isAnswer, exchange.published !== socket { return fail("an answer from a socket that was not asked") }
        guard let number = exchange.number(of: payload, isAnswer: isAnswer) else {
            return fail("exchange \(exchange.script.index): a datagram to the host that was never sent")
        }
        if isAnswer {
            exchange.answered.insert(number)
            return
        }
        let answer = exchange.payload(number, isAnswer: true)
        schedule(after: random.time(0...20_000_000)) { socket.deliver(answer, from: address) }
    }

    private func echoSent(_ message: [UInt8], by socket: ModelDatagramSocket, to address: TransportAddress) {
        guard
            let exchange = exchanges.first(where: { $0.script.isEcho && $0.script.remote.address == address.address }),
            message.count > 8, message[0] == 8
        else { return fail("an echo to \(address.address), where nothing is") }
        guard exchange.number(of: Array(message[8...]), isAnswer: false) != nil else {
            return fail("exchange \(exchange.script.index): an echo that was never sent")
        }
        var reply = message
        reply[0] = 0
        schedule(after: random.time(0...20_000_000)) { socket.deliver(reply, from: address) }
    }

    // MARK: In the guest

    /// Receives UDP, possibly several datagrams in one frame (VIRTIO_NET_HDR_GSO_UDP_L4), and answers datagrams to a
    /// published port.
    func hearDatagram(_ frame: [UInt8]) {
        guard FrameLayout.isIPv4(frame), frame.count >= FrameLayout.ip + 28 else { return fail("a short datagram") }
        let udp = FrameLayout.ip + 20
        let port = FrameLayout.word(frame, udp + 2)
        guard let exchange = exchanges.first(where: { Int($0.script.guestPort) == port && !$0.script.isEcho }) else {
            return fail("a datagram to the guest's port \(port)")
        }
        let script = exchange.script
        let source = TransportAddress(
            address: address(frame, isSource: true), port: UInt16(FrameLayout.word(frame, udp)))
        guard source == script.remote else { return fail("exchange \(script.index): a datagram from \(source)") }
        let payload = Array(frame[(udp + 8)...])
        let size = frame[1] == 0 ? payload.count : FrameLayout.littleWord(frame, 4)
        guard size > 0 else { return fail("exchange \(script.index): an empty datagram") }
        var position = 0
        while position < payload.count {
            let part = Array(payload[position..<min(payload.count, position + size)])
            position += size
            guard let number = exchange.number(of: part, isAnswer: !script.isPublished) else {
                return fail("exchange \(script.index): a datagram to the guest that was never sent")
            }
            guard script.isPublished else {
                exchange.answered.insert(number)
                continue
            }
            let guest = TransportAddress(address: guestAddress, port: script.guestPort)
            sendFromGuest(
                GuestNeighborFrames.datagram(
                    from: guest, to: script.remote, payload: exchange.payload(number, isAnswer: true), echo: nil),
                flow: nil)
        }
    }

    func hearICMP(_ frame: [UInt8]) {
        let message = FrameLayout.ip + FrameLayout.ipHeaderLength(frame)
        guard frame.count > message + 8, frame[message] == 0 else { return hearError(frame) }
        let identifier = FrameLayout.word(frame, message + 4)
        guard let exchange = exchanges.first(where: { Int($0.script.guestPort) == identifier && $0.script.isEcho }),
            address(frame, isSource: true) == exchange.script.remote.address
        else { return fail("an echo reply with identifier \(identifier)") }
        guard let number = exchange.number(of: Array(frame[(message + 8)...]), isAnswer: false) else {
            return fail("exchange \(exchange.script.index): an echo reply that was never sent")
        }
        exchange.answered.insert(number)
    }
}
