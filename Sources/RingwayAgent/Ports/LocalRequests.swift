internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation

/// Where programs of the guest's ask for ports of the host: a unix socket, on which they say what the agent would say to
/// the host. A port lives as long as the connection on which it was asked for.
final class LocalRequests {
    /// One program and its port.
    final class Client {
        let descriptor: Int32
        fileprivate let tag: UInt64
        var reader = AgentMessageReader.ofHost()
        var request: PublishRequest?
        /// Until it has been told, which happens once.
        var isAnswered = false

        init(_ descriptor: Int32, tag: UInt64) {
            self.descriptor = descriptor
            self.tag = tag
        }
    }

    private static var listenerTag: UInt64 { 0 }

    private let listener: Int32
    /// The listener and all programs, so that a turn costs what happens in it and not what there is.
    private var queue: EventQueue
    private var clients: [UInt64: Client] = [:]
    /// Programs by the numbers of their requests.
    private var requesters: [UInt32: Client] = [:]
    private var nextTag: UInt64 = 1
    private var nextNumber: UInt32 = 0
    private let path: String

    /// Programs at once.
    private static var maximumClients: Int { 8_192 }

    /// Listens on a path, which only the agent's own user may use.
    init(path: String) throws(AgentFailure) {
        self.path = path
        queue = try EventQueue()
        listener = try GuestSocket.listen(path)
        _ = queue.addReadable(listener, tag: Self.listenerTag)
    }

    deinit {
        for client in clients.values { close(client.descriptor) }
        close(listener)
    }

    /// Readable while there is something for `turn`.
    var descriptor: Int32 { queue.descriptor }

    /// Takes what programs have said, some of them at a time.
    func turn() -> [Event] {
        var tags: [UInt64] = []
        queue.wait(milliseconds: 0) { tags.append($0.tag) }
        var events: [Event] = []
        for tag in tags {
            if tag == Self.listenerTag {
                accept()
            } else if let client = clients[tag] {
                events.append(hear(client))
            }
        }
        return events
    }

    /// Takes a program that has connected.
    private func accept() {
        let descriptor = ringway_accept_stream(listener, true)
        guard descriptor >= 0 else { return }
        guard clients.count < Self.maximumClients, queue.addReadable(descriptor, tag: nextTag) else {
            close(descriptor)
            return
        }
        clients[nextTag] = Client(descriptor, tag: nextTag)
        nextTag += 1
    }

    /// What became of a program that has said something.
    enum Event {
        case nothing
        /// A request, numbered for the host.
        case request(PublishRequest)
        /// The program is gone; the number of what it had asked for, where it had.
        case gone(UInt32?)
    }

    /// Takes what a program has said.
    private func hear(_ client: Client) -> Event {
        while true {
            var buffer = [UInt8](repeating: 0, count: client.reader.wanted)
            let count = recv(client.descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return .nothing }
            guard count > 0 else { return remove(client) }
            let message: AgentMessage
            do throws(AgentProtocolFailure) {
                guard let whole = try client.reader.take(buffer[..<count]) else { continue }
                message = whole
            } catch {
                return remove(client)
            }
            guard case .publish(var request) = message, client.request == nil else { return remove(client) }
            repeat { nextNumber &+= 1 } while requesters[nextNumber] != nil
            request.number = nextNumber
            client.request = request
            requesters[nextNumber] = client
            return .request(request)
        }
    }

    private func remove(_ client: Client) -> Event {
        close(client.descriptor)
        clients[client.tag] = nil
        if let request = client.request { requesters[request.number] = nil }
        return .gone(client.request?.number)
    }

    /// Tells the program that asked. False means that it had been told already, true also that it is gone.
    func answer(_ answer: PublishAnswer) -> Bool {
        guard let client = requesters[answer.number] else { return true }
        guard !client.isAnswered else { return false }
        client.isAnswered = true
        let octets = AgentMessage.published(answer).octets
        // A program that is gone shows when it is heard next.
        _ = send(client.descriptor, octets, octets.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        return true
    }

    /// Everything that is asked for at present.
    var requests: [PublishRequest] { requesters.values.compactMap(\.request).sorted { $0.number < $1.number } }
}
