internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayContainment
internal import RingwaySystem

/// The userland proxy of the Docker engine: one process for each published port. It requests the port from the host
/// through the agent, and holds it until the engine ends the process.
///
/// The engine reads the result from descriptor 3: a zero and a newline, or a one, a newline and the reason. A container
/// may have hundreds of these processes, so each has one thread, whose loop holds the port and, if there are clients
/// inside the guest, relays them (`LocalProxy`).
final class DockerProxy: LoopMember {
    private let options: ProxyOptions
    private let path: String
    private let loop: EventLoop
    /// The connection to the agent that holds the port; `nil` while there is none.
    private var channel: OwnedDescriptor?
    private var reader = AgentMessageReader.ofHost()

    /// The timeout of a request, in milliseconds. The engine waits sixteen seconds for a proxy's result.
    private static var timeout: UInt32 { 10_000 }
    /// Nanoseconds between attempts to reach an agent that has ended.
    private static var retryInterval: UInt64 { 200_000_000 }

    private init(_ options: ProxyOptions, path: String, on loop: EventLoop) {
        self.options = options
        self.path = path
        self.loop = loop
    }

    /// Runs the engine's command line until the process ends.
    static func run(_ arguments: [String]) -> Never {
        // Descriptor 3 is checked before any other is opened: if the engine has not passed it, a new descriptor could
        // get this number.
        let result = ProxyResult()
        do {
            let options = try ProxyOptions(arguments)
            if options.printsVersion {
                print("docker-proxy (ringway-agent)")
                exit(0)
            }
            let path =
                getenv("RINGWAY_AGENT_SOCKET").map { AgentCommand.text(of: $0) } ?? AgentOptions.defaultRequestPath
            let loop = try EventLoop()
            let signals = try StopSignals(on: loop)
            let local = LocalProxy(options, on: loop)
            let proxy = DockerProxy(options, path: path, on: loop)
            try proxy.hold(isFirst: true)
            AgentCommand.contain(.on, as: .dockerProxy)
            result.report(nil)
            local?.start()
            while !signals.hasCome { loop.runTurn() }
        } catch let failure as UsageFailure {
            result.report(failure.description)
            AgentCommand.fail(failure.description, status: AgentCommand.ExitStatus.usage)
        } catch {
            result.report("\(error)")
            AgentCommand.fail("\(error)", status: AgentCommand.ExitStatus.failure)
        }
        exit(0)
    }

    // MARK: The agent

    /// Requests the port from the agent, on a new connection. The agent holds the port until this connection is
    /// closed.
    ///
    /// - Parameter isFirst: whether to wait for the reply, and throw a refusal. `stillHolds` reads the reply to a
    ///   later request when it arrives.
    private func hold(isFirst: Bool) throws(AgentFailure) {
        let endpoint = HostEndpoint.unix(path: path)
        let connection: OwnedDescriptor
        do throws(AgentFailure) { connection = try endpoint.connect() } catch {
            throw AgentFailure("ringway-agent does not run: \(error)")
        }
        _ = ringway_set_timeout(connection.rawValue, Self.timeout)
        let request = PublishRequest(
            number: 0, transport: options.transport, host: options.host, guest: options.container)
        try AgentChannel.send(.publish(request), on: connection.rawValue)
        reader = AgentMessageReader.ofHost()
        if isFirst {
            guard case .published(let answer) = try AgentChannel.receive(&reader, from: connection.rawValue) else {
                throw AgentFailure("the agent answers with something else")
            }
            if let refusal = answer.refusal { throw AgentFailure(options.explain(refusal)) }
        }
        guard loop.register(self, descriptor: connection.rawValue, interest: .read) else {
            throw AgentFailure(cannot: "watch the agent")
        }
        channel = consume connection
    }

    override func ready(_ events: EventLoop.Events) {
        guard !stillHolds() else { return }
        loop.deregister(self)
        channel = nil
        loop.schedule(self, at: loop.now + Self.retryInterval)
    }

    /// Reads messages that the agent sends after its first reply. Returns false if the port must be requested again,
    /// because the agent has closed the connection or has refused the port.
    private func stillHolds() -> Bool {
        guard let descriptor = channel?.rawValue else { return false }
        do throws(AgentFailure) {
            guard let message = try AgentChannel.receiveAvailable(&reader, from: descriptor) else { return true }
            guard case .published(let answer) = message else { return false }
            return answer.refusal == nil
        } catch {
            return false
        }
    }

    override func deadlinePassed(now: UInt64) {
        do throws(AgentFailure) {
            try hold(isFirst: false)
        } catch {
            loop.schedule(self, at: MonotonicClock.now() + Self.retryInterval)
        }
    }
}
