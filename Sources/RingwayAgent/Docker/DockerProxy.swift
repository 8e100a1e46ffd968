internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation

/// What the Docker engine takes for its userland proxy: one process for each published port, which has the agent ask the
/// host for the port and holds it until it is told to end.
///
/// The engine reads the result from descriptor 3: a zero and a newline, or a one, a newline and the reason.
struct DockerProxy {
    private let options: ProxyOptions
    private let path: String
    private let result: ProxyResult
    private let signals: StopSignals

    /// Milliseconds that the host may take; the engine gives a proxy sixteen seconds.
    private static var patience: UInt32 { 10_000 }
    /// Milliseconds between attempts to reach an agent that has ended.
    private static var pause: Int32 { 200 }

    /// Runs with the engine's command line, to the end of the process.
    static func run(_ arguments: [String]) -> Never {
        // Before anything is opened that could get the engine's numbers.
        let result = ProxyResult()
        do {
            let options = try ProxyOptions(arguments)
            if options.printsVersion {
                print("docker-proxy (ringway-agent)")
                exit(0)
            }
            let path = getenv("RINGWAY_AGENT_SOCKET").map { String(cString: $0) } ?? AgentOptions.defaultRequestPath
            try DockerProxy(options: options, path: path, result: result, signals: StopSignals()).run()
        } catch let failure as UsageFailure {
            result.report(failure.description)
            AgentCommand.fail(failure.description, status: AgentCommand.ExitStatus.usage)
        } catch {
            result.report("\(error)")
            AgentCommand.fail("\(error)", status: AgentCommand.ExitStatus.failure)
        }
        exit(0)
    }

    private func run() throws(AgentFailure) {
        let local = LocalProxy(options)
        var connection = try ask(isFirst: true)
        result.report(nil)
        // There may be hundreds of us for one container; a thread is started when it is needed.
        var firstClient = local?.listener ?? -1
        while true {
            var entries = [
                pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: connection, events: Int16(POLLIN), revents: 0),
                pollfd(fd: firstClient, events: Int16(POLLIN), revents: 0),
            ]
            _ = poll(&entries, 3, connection < 0 ? Self.pause : -1)
            if entries[0].revents != 0 { return }
            if entries[2].revents != 0 {
                firstClient = -1
                local?.start()
            }
            if entries[1].revents != 0 {
                if holdsPort(connection) { continue }
                close(connection)
                connection = -1
            } else if connection < 0 {
                do throws(AgentFailure) { connection = try ask(isFirst: false) } catch {}
            }
        }
    }

    /// Hears what the agent has to say after the first answer. False means that the port is not held any more, because
    /// the agent is gone, or is a new one and the port is somebody else's by now: it is asked for again.
    private func holdsPort(_ connection: Int32) -> Bool {
        var reader = AgentMessageReader.ofHost()
        do throws(AgentFailure) {
            guard case .published(let answer) = try HostConversation.receive(&reader, from: connection) else {
                return false
            }
            return answer.refusal == nil
        } catch {
            return false
        }
    }

    /// Asks the agent for the port. The connection that is answered holds it.
    private func ask(isFirst: Bool) throws(AgentFailure) -> Int32 {
        let endpoint = HostEndpoint.unix(path: path)
        let connection: Int32
        do throws(AgentFailure) { connection = try endpoint.connect() } catch {
            throw AgentFailure("ringway-agent does not run: \(error)")
        }
        do throws(AgentFailure) {
            _ = ringway_set_patience(connection, Self.patience)
            let request = PublishRequest(
                number: 0, transport: options.transport, host: options.host, guest: options.container)
            try HostConversation.send(.publish(request), on: connection)
            // A port that was granted once is asked for until it is granted again; the answer is heard when it comes.
            guard isFirst else { return connection }
            var reader = AgentMessageReader.ofHost()
            guard case .published(let answer) = try HostConversation.receive(&reader, from: connection) else {
                throw AgentFailure("the agent answers with something else")
            }
            if let refusal = answer.refusal { throw AgentFailure(options.explain(refusal)) }
            return connection
        } catch {
            close(connection)
            throw error
        }
    }
}
