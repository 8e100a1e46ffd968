internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayRelay
internal import RingwaySystem

/// The connections of a session: channels are opened ahead of time, dialled on the host's request, and relayed.
///
/// Events are handled immediately; retries are due at this member's deadline.
final class AgentStreams: LoopMember {
    /// The most streams at a time.
    private static var maximumStreams: Int { 16_384 }
    /// Nanoseconds between two replacements of idle streams that the host has closed.
    private static var restockInterval: UInt64 { 500_000_000 }
    /// Nanoseconds until the next attempt to reach the host, or a server whose listen queue was full.
    private static var retryInterval: UInt64 { 10_000_000 }

    /// A program in the guest that uses a socket of the host, and for which no channel is open yet.
    private struct Client {
        let descriptor: Int32
        let name: String
    }

    let relays: RelayGroup
    private let loop: EventLoop
    private let line: HostLine
    private let hello: Hello
    /// The number of idle streams to keep connected ahead of time.
    private let ready: Int
    private var accepting: [AcceptingSocket] = []
    /// Accepts the host's connections. It is registered with the loop only while a connection is needed.
    private var hostListener: AcceptingSocket?
    private var streams: [ObjectIdentifier: AgentStream] = [:]
    /// Streams that wait until their connect is retried, because their server's listen queue was full.
    private var waiting: [AgentStream] = []
    private var idleCount = 0
    /// The number of streams that are needed and not opened yet.
    private var missing = 0
    private var clients: [Client] = []
    private var nextRestock: UInt64 = 0

    /// Opens the first streams in the loop's next turn.
    ///
    /// - Parameter ready: the number of streams to keep connected ahead of time.
    init(on loop: EventLoop, _ line: HostLine, hello: Hello, ready: Int, shares: [SharedSocket]) {
        self.loop = loop
        self.line = line
        self.hello = hello
        self.ready = ready
        relays = RelayGroup(loop: loop, pipes: 2_048)
        missing = ready
        super.init()
        if let listener = line.listener {
            hostListener = AcceptingSocket(listener, on: loop) { [unowned self] in openAccepted($0) }
        }
        for share in shares {
            let member = AcceptingSocket(share.listener.rawValue, on: loop) { [unowned self] in
                acceptClient(of: share, $0)
            }
            if loop.register(member, descriptor: member.descriptor, interest: .read) { accepting.append(member) }
        }
        loop.resume(self)
    }

    /// Ends all connections with a reset to both sides.
    func stop() {
        for stream in Array(streams.values) { stream.end(reset: true) }
        for client in clients { close(client.descriptor) }
        clients = []
        for member in accepting { loop.remove(member) }
        if let hostListener { loop.remove(hostListener) }
        loop.remove(self)
        relays.settle()
    }

    /// Opens more streams, because clients on the host wait for them.
    func open(more count: Int) {
        missing += count
        loop.resume(self)
    }

    // MARK: Pending work

    override func resumed() { work() }
    override func deadlinePassed(now: UInt64) { work() }

    private func work() {
        restock()
        openMissing()
        retryWaiting()
        if !waiting.isEmpty || line.listener == nil && (missing > 0 || !clients.isEmpty) {
            loop.schedule(self, at: MonotonicClock.now() + Self.retryInterval)
        } else if idleCount + missing < ready {
            loop.schedule(self, at: nextRestock)
        } else {
            loop.cancelDeadline(of: self)
        }
    }

    /// Replaces idle streams that the host has closed. The check is made at intervals, so that a host that closes every
    /// stream immediately causes little work.
    private func restock() {
        guard idleCount + missing < ready else { return }
        let now = MonotonicClock.now()
        guard now >= nextRestock else { return }
        nextRestock = now + Self.restockInterval
        missing = ready - idleCount
    }

    private func retryWaiting() {
        let tried = waiting
        waiting = []
        for stream in tried { stream.retry() }
    }

    // MARK: Opening

    /// Opens the needed streams, until a connect fails. If the host connects to the agent, waits for connections
    /// instead.
    private func openMissing() {
        guard case .connecting(let endpoint) = line else { return watchHost() }
        while let client = clients.first {
            guard let channel = connect(endpoint) else { return }
            clients.removeFirst()
            start(channel, role: .hostSocket(name: client.name), client: client.descriptor)
        }
        while missing > 0, streams.count < Self.maximumStreams {
            guard let channel = connect(endpoint) else { return }
            missing -= 1
            start(channel, role: .stream, client: nil)
        }
    }

    private func connect(_ endpoint: HostEndpoint) -> OwnedDescriptor? {
        do throws(AgentFailure) { return try endpoint.connect() } catch { return nil }
    }

    /// Watches the listening socket only while a connection is needed. The host always opens one connection in advance,
    /// which stays in the listen queue until then.
    private func watchHost() {
        guard let hostListener else { return }
        let isWanted = missing > 0 || !clients.isEmpty
        guard hostListener.isRegistered != isWanted else { return }
        if isWanted {
            loop.register(hostListener, descriptor: hostListener.descriptor, interest: .read)
        } else {
            loop.remove(hostListener)
        }
    }

    /// Accepts a connection of the host, and gives it the role of a stream that is needed.
    private func openAccepted(_ listener: AcceptingSocket) {
        defer { watchHost() }
        guard missing > 0 || !clients.isEmpty else { return }
        guard let channel = listener.accept() else { return }
        guard line.endpoint.isHost(channel.rawValue) else { return }
        if let client = clients.first {
            clients.removeFirst()
            start(channel, role: .hostSocket(name: client.name), client: client.descriptor)
        } else {
            missing -= 1
            start(channel, role: .stream, client: nil)
        }
    }

    /// Starts a stream by sending a hello on its channel. The host's reply is handled when it arrives.
    private func start(_ channel: consuming OwnedDescriptor, role: Hello.Role, client: Int32?) {
        _ = ringway_set_nonblocking(channel.rawValue)
        var hello = hello
        hello.role = role
        let bytes = AgentMessage.hello(hello).bytes
        // A new socket always has room for a hello.
        let isSent = send(channel.rawValue, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
        let stream = AgentStream(self, channel: channel.take(), client: client)
        streams[ObjectIdentifier(stream)] = stream
        if stream.isReady { idleCount += 1 }
        guard isSent, stream.watch(.far) else { return stream.end(reset: true) }
    }

    /// Accepts a program in the guest that has connected to a shared socket.
    private func acceptClient(of share: SharedSocket, _ listener: AcceptingSocket) {
        guard let client = listener.accept() else { return }
        guard streams.count + clients.count < Self.maximumStreams else { return }
        clients.append(Client(descriptor: client.take(), name: share.name))
        loop.resume(self)
    }

    // MARK: Changes of streams

    /// Called when the host has dialled an idle stream. Another idle stream is opened in its place.
    func dialled(_ stream: AgentStream) {
        idleCount -= 1
        if idleCount + missing < ready { missing += 1 }
        loop.resume(self)
    }

    /// Retries a stream's connect later, because its server's listen queue is full.
    func wait(_ stream: AgentStream) {
        waiting.append(stream)
        loop.schedule(self, at: MonotonicClock.now() + Self.retryInterval)
    }

    /// Called when a stream has ended.
    func forget(_ stream: AgentStream) {
        guard streams.removeValue(forKey: ObjectIdentifier(stream)) != nil else { return }
        if stream.isReady { idleCount -= 1 }
        waiting.removeAll { $0 === stream }
        loop.resume(self)
    }
}

/// A unix socket in the guest whose connections go to a socket of the host.
final class SharedSocket {
    /// The listening socket, non-blocking.
    let listener: OwnedDescriptor
    /// The host's name for its socket.
    let name: String

    init(_ listener: consuming OwnedDescriptor, name: String) {
        self.listener = listener
        self.name = name
    }
}

/// A loop member for a listening socket that is owned elsewhere. It calls a closure when a connection waits.
final class AcceptingSocket: LoopMember {
    let descriptor: Int32
    private unowned let loop: EventLoop
    private let onReadable: (AcceptingSocket) -> Void

    init(_ descriptor: Int32, on loop: EventLoop, onReadable: @escaping (AcceptingSocket) -> Void) {
        self.descriptor = descriptor
        self.loop = loop
        self.onReadable = onReadable
    }

    /// Accepts one connection, as a non-blocking socket.
    func accept() -> OwnedDescriptor? { OwnedDescriptor(result: loop.accept(for: self)) }

    override func ready(_ events: EventLoop.Events) { onReadable(self) }
    override func deadlinePassed(now: UInt64) { loop.acceptAgain(self) }
}

/// A loop member for a descriptor that is owned elsewhere. It calls a closure when the descriptor is readable.
final class SocketMember: LoopMember {
    let descriptor: Int32
    private let onReadable: () -> Void

    init(_ descriptor: Int32, onReadable: @escaping () -> Void) {
        self.descriptor = descriptor
        self.onReadable = onReadable
    }

    override func ready(_ events: EventLoop.Events) { onReadable() }
}
