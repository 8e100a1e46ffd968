internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// The unix socket through which programs in the guest request host ports, with the messages of the agent's own
/// protocol. A request lasts until the program closes its connection.
///
/// The socket and its requests outlive sessions with the host: each session begins by sending all current requests.
final class LocalRequests {
    /// An event of a requesting program.
    enum Event {
        /// A request, numbered for the host.
        case request(PublishRequest)
        /// The program has disconnected, and its request of this number is withdrawn.
        case gone(UInt32)
    }

    /// One program and its port.
    private final class Client: LoopMember {
        let socket: OwnedDescriptor
        private unowned let requests: LocalRequests
        private var reader = AgentMessageReader.ofHost()
        private(set) var request: PublishRequest?
        /// Whether the reply was sent; there is only one.
        var isAnswered = false

        init(_ socket: consuming OwnedDescriptor, _ requests: LocalRequests) {
            self.socket = socket
            self.requests = requests
        }

        override func ready(_ events: EventLoop.Events) {
            while isRegistered {
                var buffer = [UInt8](repeating: 0, count: reader.wanted)
                let count = recv(socket.rawValue, &buffer, buffer.count, Int32(MSG_DONTWAIT))
                if count < 0, errno == EINTR { continue }
                if count < 0, errno == EAGAIN { return }
                guard count > 0 else { return requests.remove(self) }
                do throws(AgentProtocolFailure) {
                    guard let message = try reader.take(buffer[..<count]) else { continue }
                    guard case .publish(let wanted) = message, request == nil else { return requests.remove(self) }
                    request = requests.number(wanted, of: self)
                    requests.onEvent?(.request(request ?? wanted))
                } catch {
                    return requests.remove(self)
                }
            }
        }

        /// Sends the reply. A failure is ignored, because the next read detects that the program has disconnected.
        func send(_ answer: PublishAnswer) {
            let bytes = AgentMessage.published(answer).bytes
            _ = Glibc.send(socket.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
        }
    }

    /// The most connected programs.
    private static var maximumClients: Int { 8_192 }

    private let loop: EventLoop
    private let listener: OwnedDescriptor
    private lazy var accepting = AcceptingSocket(listener.rawValue, on: loop) { [unowned self] in accept($0) }
    private var clients: [ObjectIdentifier: Client] = [:]
    /// Programs by the numbers of their requests.
    private var requesters: [UInt32: Client] = [:]
    private var nextNumber: UInt32 = 0
    /// Called with requests and withdrawals, on the loop's thread.
    var onEvent: ((Event) -> Void)?

    /// Listens on a path that only the agent's own user may use.
    init(path: String, on loop: EventLoop) throws(SystemError) {
        self.loop = loop
        listener = try GuestSocket.listen(path)
        guard loop.register(accepting, descriptor: listener.rawValue, interest: .read) else {
            throw SystemError("cannot watch unix:\(path)")
        }
    }

    deinit {
        for client in clients.values { loop.remove(client) }
        loop.remove(accepting)
    }

    private func accept(_ listening: AcceptingSocket) {
        guard let socket = listening.accept(), clients.count < Self.maximumClients else { return }
        let client = Client(socket, self)
        guard loop.register(client, descriptor: client.socket.rawValue, interest: .read) else { return }
        clients[ObjectIdentifier(client)] = client
    }

    private func number(_ wanted: PublishRequest, of client: Client) -> PublishRequest {
        repeat { nextNumber &+= 1 } while requesters[nextNumber] != nil
        var request = wanted
        request.number = nextNumber
        requesters[nextNumber] = client
        return request
    }

    private func remove(_ client: Client) {
        loop.remove(client)
        clients[ObjectIdentifier(client)] = nil
        guard let request = client.request else { return }
        requesters[request.number] = nil
        onEvent?(.gone(request.number))
    }

    /// Passes a reply to the program that sent the request.
    ///
    /// - Returns: false if the program had a reply already; true also if it has disconnected.
    func answer(_ answer: PublishAnswer) -> Bool {
        guard let client = requesters[answer.number] else { return true }
        guard !client.isAnswered else { return false }
        client.isAnswered = true
        client.send(answer)
        return true
    }

    /// All current requests.
    var requests: [PublishRequest] { requesters.values.compactMap(\.request).sorted { $0.number < $1.number } }
}
