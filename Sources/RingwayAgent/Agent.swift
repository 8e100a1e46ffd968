internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwayWire

/// The agent: an interface, and one session with the host after another.
final class Agent {
    private let options: AgentOptions
    private let line: HostLine
    private let token: [UInt8]
    private let signals: StopSignals
    private let requests: LocalRequests?
    private let shares: [StreamThread.Share]
    private let nameServers: NameServerSetting
    private var interface: GuestInterface?
    private var lastComplaint: String?

    /// Prepares everything that does not need the host.
    init(_ options: AgentOptions) throws(AgentFailure) {
        self.options = options
        // Before any thread, so that every thread has the signals blocked.
        signals = try StopSignals()
        DescriptorLimit.raise()
        if let path = options.tokenFile {
            guard let file = SmallFile.read(path) else { throw AgentFailure(cannot: "read the token in \(path)") }
            token = Array(file.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
            guard !token.isEmpty, token.count <= AgentProtocol.maximumNameLength else {
                throw AgentFailure("the token in \(path) is to have 1 to \(AgentProtocol.maximumNameLength) octets")
            }
        } else {
            token = []
        }
        line = options.isListening ? try HostLine.listen(options.endpoint) : .connecting(options.endpoint)
        requests = options.requestPath.isEmpty ? nil : try LocalRequests(path: options.requestPath)
        var shares: [StreamThread.Share] = []
        for share in options.shares {
            shares.append(StreamThread.Share(listener: try GuestSocket.listen(share.path), name: share.name))
        }
        self.shares = shares
        nameServers = NameServerSetting(named: options.resolverFile)
        if options.queues > 0 { interface = try makeInterface() }
    }

    private func makeInterface() throws(AgentFailure) -> GuestInterface {
        try GuestInterface(
            name: options.interfaceName,
            mac: options.mac ?? StableAddress.make(interface: options.interfaceName, endpoint: options.endpoint),
            queues: options.queues)
    }

    /// Milliseconds between attempts to reach the host: the first, and the longest.
    private static var firstPause: Int32 { 50 }
    private static var longestPause: Int32 { 2_000 }

    /// Keeps a session with the host until a signal ends the agent.
    func run() throws(AgentFailure) {
        defer { nameServers.restore() }
        var pause = Self.firstPause
        while true {
            do throws(AgentFailure) {
                let session = try start()
                pause = Self.firstPause
                lastComplaint = nil
                AgentCommand.say("connected to \(options.endpoint)")
                let end = session.run()
                session.stop()
                // Somebody has deleted it; a new one takes its place.
                if session.hasLostInterface { interface = nil }
                guard let reason = end else { return }
                complain("\(reason); connecting again")
            } catch {
                complain("\(error); trying again")
            }
            if signals.wait(milliseconds: pause) { return }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// The same complaint is made once.
    private func complain(_ line: String) {
        guard line != lastComplaint else { return }
        lastComplaint = line
        AgentCommand.say(line)
    }

    /// Opens all conversations of a session.
    private func start() throws(AgentFailure) -> AgentSession {
        if options.queues > 0, interface == nil { interface = try makeInterface() }
        let identifier = SessionIdentifier.random()
        var hello = Hello(role: .stream, session: identifier, token: token)
        hello.role = .control(
            GuestOffer(
                mac: interface?.mac ?? MACAddress(rawValue: 0), queues: UInt16(interface?.queues.count ?? 0),
                mtu: options.mtu, takesUDPSuperFrames: interface?.takesUDPSuperFrames ?? false,
                name: options.guestName ?? HostName.read()))
        let control = try HostConversation.begin(line, hello)
        var sockets: [Int32] = []
        do throws(AgentFailure) {
            // The host welcomes a guest once it has all of its queues.
            let queues = interface?.queues ?? []
            for index in queues.indices {
                hello.role = .frames(queue: UInt16(index), of: UInt16(queues.count))
                sockets.append(try HostConversation.begin(line, hello))
            }
            let welcome = try HostConversation.finish(control)
            if welcome.queues > 0 {
                while sockets.count > welcome.queues { close(sockets.removeLast()) }
            }
            for socket in sockets { _ = try HostConversation.finish(socket) }
            if interface != nil {
                guard let network = welcome.network else { throw AgentFailure("the host has no network for the guest") }
                try configure(network)
                interface?.keep(queues: sockets.count)
            }
            return try AgentSession(
                control: control, welcome: welcome, line: line, hello: hello, queues: interface?.queues ?? [],
                sockets: sockets, signals: signals, requests: requests, shares: shares)
        } catch {
            for socket in sockets + [control] { close(socket) }
            throw error
        }
    }

    /// Sets the interface up, afresh where it was set up for another network before.
    private func configure(_ network: GuestNetwork) throws(AgentFailure) {
        if let known = interface?.network {
            guard known != network else { return }
            // The old device goes with its addresses and routes before the new one takes its name.
            interface = nil
            interface = try makeInterface()
        }
        try interface?.set(network, configures: options.configures)
        if options.configures {
            // A guest without name service is better than none.
            do throws(AgentFailure) { try nameServers.set(network.nameServers.map { "\($0)" }) } catch {
                AgentCommand.say("\(error)")
            }
        }
    }
}
