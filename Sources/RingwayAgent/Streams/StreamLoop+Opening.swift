internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwaySplice

/// How streams come about: opened ahead of time, dialled, or asked for by programs of the guest's.
extension StreamLoop {
    // MARK: Conversations

    /// Opens what is missing, as far as the host takes it.
    func openMissing() {
        guard case .connecting(let endpoint) = line else { return watchListener() }
        while let client = clients.first {
            guard let descriptor = open(endpoint) else { return }
            clients.removeFirst()
            greet(descriptor, role: .hostSocket(name: client.name), client: client.descriptor)
        }
        while missing > 0, streamCount < Self.maximumStreams {
            guard let descriptor = open(endpoint) else { return }
            missing -= 1
            greet(descriptor, role: .stream, client: nil)
        }
    }

    private func open(_ endpoint: HostEndpoint) -> Int32? {
        do throws(AgentFailure) { return try endpoint.connect() } catch { return nil }
    }

    /// The host has always connected once more than was needed: that one is left alone until it is.
    private func watchListener() {
        guard let listener = line.listener, isListening != (missing > 0 || !clients.isEmpty) else { return }
        isListening.toggle()
        if isListening { _ = queue.addReadable(listener, tag: Self.listenerTag) } else { queue.remove(listener) }
    }

    /// The host has connected and leaves it to us what for.
    func openAccepted() {
        guard let listener = line.listener, missing > 0 || !clients.isEmpty else { return }
        let descriptor = ringway_accept_stream(listener, true)
        guard descriptor >= 0 else { return }
        guard line.endpoint.isHost(descriptor) else {
            Glibc.close(descriptor)
            return
        }
        if let client = clients.first {
            clients.removeFirst()
            greet(descriptor, role: .hostSocket(name: client.name), client: client.descriptor)
        } else {
            missing -= 1
            greet(descriptor, role: .stream, client: nil)
        }
    }

    /// Says hello. The answer is waited for like everything else.
    private func greet(_ descriptor: Int32, role: Hello.Role, client: Int32?) {
        _ = ringway_set_nonblocking(descriptor)
        var hello = hello
        hello.role = role
        let octets = AgentMessage.hello(hello).octets
        let stream = makeStream(link: descriptor, client: client)
        if client == nil { idleCount += 1 }
        // A fresh socket has room for a hello.
        guard send(descriptor, octets, octets.count, Int32(MSG_NOSIGNAL)) == octets.count, watchLink(stream) else {
            return end(stream, reset: true)
        }
    }

    // MARK: Requests

    /// Takes what the host says on an idle stream.
    func hear(_ stream: AgentStream) {
        while isPresent(stream), case .idle = stream.phase {
            var buffer = [UInt8](repeating: 0, count: stream.reader.wanted)
            let count = recv(stream.carrier.link.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return end(stream, reset: true) }
            do throws(AgentProtocolFailure) {
                guard let message = try stream.reader.take(buffer[..<count]) else { continue }
                obey(message, stream)
            } catch {
                return end(stream, reset: true)
            }
        }
    }

    private func obey(_ message: AgentMessage, _ stream: AgentStream) {
        switch message {
        case .welcome where stream.isFromGuest: beginMoving(stream)
        case .welcome: break
        case .dial(let target) where !stream.isFromGuest:
            idleCount -= 1
            if idleCount + missing < ready { missing += 1 }
            dial(target, stream)
        default: end(stream, reset: true)
        }
    }

    func dial(_ target: DialTarget, _ stream: AgentStream) {
        switch Dialer.dial(target) {
        case .connected(let descriptor):
            stream.carrier.local.descriptor = descriptor
            if case .udp = target.endpoint {
                stream.phase = .datagrams(DatagramCarrier())
                guard answer(nil, stream), watchLocal(stream) else { return end(stream, reset: true) }
            } else {
                connected(stream)
            }
        case .connecting(let descriptor):
            stream.carrier.local.descriptor = descriptor
            stream.phase = .connecting
            if !watchLocal(stream) { end(stream, reset: true) }
        case .busy:
            if case .waiting = stream.phase { return }
            stream.phase = .waiting(target)
            waiting.append(stream)
        case .refused(let refusal):
            // The phase is no longer idle, which the count of idle streams depends on.
            stream.phase = .connecting
            waiting.removeAll { $0 === stream }
            _ = answer(refusal, stream)
            end(stream, reset: false)
        }
    }

    func retryWaiting() {
        for stream in waiting {
            guard case .waiting(let target) = stream.phase else { continue }
            dial(target, stream)
        }
        waiting.removeAll { stream in
            if case .waiting = stream.phase { return false }
            return true
        }
    }

    func connectGoesOn(_ stream: AgentStream) {
        if isLinkGone(stream) { return end(stream, reset: true) }
        switch Dialer.connectError(stream.carrier.local.descriptor) {
        case 0: connected(stream)
        case EINPROGRESS: break
        case let error:
            _ = answer(Refusal(errorNumber: error), stream)
            end(stream, reset: false)
        }
    }

    private func connected(_ stream: AgentStream) {
        let isWatched = if case .connecting = stream.phase { true } else { false }
        stream.phase = .connecting
        guard answer(nil, stream), isWatched || watchLocal(stream) else { return end(stream, reset: true) }
        beginMoving(stream)
    }

    private func beginMoving(_ stream: AgentStream) {
        stream.phase = .moving
        if stream.isFromGuest, !watchLocal(stream) { return end(stream, reset: true) }
        // Events that came before it was known what for have been used up.
        stream.carrier.lookAtBoth()
        schedule(stream)
    }

    private func answer(_ refusal: Refusal?, _ stream: AgentStream) -> Bool {
        let octets = AgentMessage.dialled(refusal).octets
        return send(stream.carrier.link.descriptor, octets, octets.count, Int32(MSG_NOSIGNAL)) == octets.count
    }

    /// Whether the host has given a stream up before there was anything to carry.
    func isLinkGone(_ stream: AgentStream) -> Bool {
        var octet: UInt8 = 0
        let count = recv(stream.carrier.link.descriptor, &octet, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
    }

    // MARK: The guest's own clients

    /// A program of the guest's has connected to a socket that leads to the host.
    func acceptShared(_ index: Int) {
        let client = ringway_accept_stream(shares[index].listener, true)
        guard client >= 0 else { return }
        guard streamCount + clients.count < Self.maximumStreams else {
            close(client)
            return
        }
        clients.append((client, shares[index].name))
    }
}
