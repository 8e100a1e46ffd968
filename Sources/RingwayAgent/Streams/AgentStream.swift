internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwayRelay
internal import RingwaySystem

/// A stream: a channel to the host that carries one connection. It lasts from the agent's `Hello` until the channel is
/// closed. The channel is the far end of a relay, whose near end is a socket in the guest.
final class AgentStream: LoopRelay {
    private enum Phase {
        /// Nothing is relayed yet. A stream for a program in the guest waits for the host's `Welcome`. Any other
        /// stream waits for the host's request to dial a server in the guest.
        case idle
        /// The connect to the server in the guest is in progress.
        case connecting
        /// The server's listen queue is full; the connect is retried later.
        case waiting(DialTarget)
        case moving
    }

    private unowned let streams: AgentStreams
    private var phase = Phase.idle
    private var reader = AgentMessageReader.ofHost()
    /// Whether the stream carries the connection of a program in the guest to a socket of the host. Any other stream
    /// carries a connection that the host dials to a server in the guest.
    let isFromGuest: Bool

    /// - Parameters:
    ///   - channel: adopted; a hello has been sent on it.
    ///   - client: adopted; the connection of a program in the guest to a socket of the host. `nil` if the host may
    ///     dial.
    init(_ streams: AgentStreams, channel: Int32, client: Int32?) {
        self.streams = streams
        isFromGuest = client != nil
        super.init(streams.relays, near: client ?? -1, far: channel, farHasRecords: true)
    }

    /// Whether the host may dial the stream. If the stream ends without being dialled, this stays true, because
    /// `AgentStreams` then reduces its count of streams that may be dialled.
    var isReady: Bool { isIdle && !isFromGuest }

    private var isIdle: Bool {
        if case .idle = phase { return true }
        return false
    }

    override func negotiate(_ events: EventLoop.Events, of side: Relay.Side) {
        switch phase {
        case .idle: receive()
        case .connecting: checkConnect()
        case .waiting: if isChannelGone { end(reset: false) }
        case .moving: break
        }
    }

    override func ended(reset: Bool) {
        streams.forget(self)
    }

    // MARK: Messages

    private func receive() {
        while isIdle, !hasEnded {
            var buffer = [UInt8](repeating: 0, count: reader.wanted)
            let count = recv(relay.far.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { return end(reset: true) }
            do throws(AgentProtocolFailure) {
                guard let message = try reader.take(buffer[..<count]) else { continue }
                handle(message)
            } catch {
                return end(reset: true)
            }
        }
    }

    private func handle(_ message: AgentMessage) {
        switch message {
        case .welcome where isFromGuest: beginMoving()
        case .welcome: break
        case .dial(let target) where !isFromGuest:
            phase = .connecting
            streams.dialled(self)
            dial(target)
        default: end(reset: true)
        }
    }

    private func answer(_ refusal: Refusal?) -> Bool {
        let bytes = AgentMessage.dialled(refusal).bytes
        return send(relay.far.descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    // MARK: Dialling

    private func dial(_ target: DialTarget) {
        switch Dialer.dial(target) {
        case .connected(let descriptor):
            setNear(descriptor)
            if case .udp = target.endpoint {
                guard answer(nil), watch(.near) else { return end(reset: true) }
                phase = .moving
                beginDatagrams()
            } else {
                connected()
            }
        case .connecting(let descriptor):
            setNear(descriptor)
            phase = .connecting
            if !watch(.near) { end(reset: true) }
        case .busy:
            phase = .waiting(target)
            streams.wait(self)
        case .refused(let refusal):
            _ = answer(refusal)
            end(reset: false)
        }
    }

    /// Retries the connect to a server whose listen queue was full.
    func retry() {
        guard case .waiting(let target) = phase, !hasEnded else { return }
        dial(target)
    }

    private func checkConnect() {
        if isChannelGone { return end(reset: true) }
        switch Dialer.connectError(relay.near.descriptor) {
        case 0: connected()
        case EINPROGRESS: break
        case let error:
            _ = answer(Refusal(errorNumber: error))
            end(reset: false)
        }
    }

    private func connected() {
        guard answer(nil) else { return end(reset: true) }
        beginMoving()
    }

    private func beginMoving() {
        guard watch(.near) else { return end(reset: true) }
        phase = .moving
        begin()
    }

    /// Whether the channel was closed by the host, or has failed, with no data left to read.
    private var isChannelGone: Bool {
        var byte: UInt8 = 0
        let count = recv(relay.far.descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count == 0 || count < 0 && errno != EAGAIN && errno != EINTR
    }
}
