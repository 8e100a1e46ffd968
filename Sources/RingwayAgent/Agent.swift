internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwaySystem

/// The agent. It has a TAP interface (unless `--queues` is 0), and one session with the host after another.
///
/// ## Theory of operation
///
/// One event loop, on the process's first thread, handles everything except frames: signals, the control channel,
/// requests of programs in the guest, and the relays of connections (`AgentStreams`). Each queue of the interface has
/// two threads (`FramePump`). The channels of a session are opened by blocking calls before the session begins. Between
/// failed attempts to reach the host, the loop still serves signals and programs.
final class Agent {
    private let options: AgentOptions
    private let loop: EventLoop
    private let line: HostLine
    private let token: [UInt8]
    private let signals: StopSignals
    private let requests: LocalRequests?
    private let shares: [SharedSocket]
    private let nameServers: NameServerSetting
    private var interface: GuestInterface?
    private var lastComplaint: String?

    /// Prepares everything that does not need the host.
    init(_ options: AgentOptions) throws(AgentFailure) {
        self.options = options
        let loop = try AgentFailure.wrap { () throws(SystemError) in try EventLoop() }
        self.loop = loop
        // The signals are blocked before any thread starts, because a thread inherits the signal mask.
        signals = try AgentFailure.wrap { () throws(SystemError) in try StopSignals(on: loop) }
        DescriptorLimit.raise()
        if let path = options.tokenFile {
            guard let file = SmallFile.read(path) else { throw AgentFailure(cannot: "read the token in \(path)") }
            token = Array(file.prefix { $0 != UInt8(ascii: "\n") && $0 != UInt8(ascii: "\r") })
            guard !token.isEmpty, token.count <= AgentProtocol.maximumNameLength else {
                throw AgentFailure("the token in \(path) is to have 1 to \(AgentProtocol.maximumNameLength) bytes")
            }
        } else {
            token = []
        }
        line = options.isListening ? try HostLine.listen(options.endpoint) : .connecting(options.endpoint)
        requests = try AgentFailure.wrap { () throws(SystemError) in
            options.requestPath.isEmpty ? nil : try LocalRequests(path: options.requestPath, on: loop)
        }
        shares = try AgentFailure.wrap { () throws(SystemError) in
            var shares: [SharedSocket] = []
            for share in options.shares {
                shares.append(SharedSocket(try GuestSocket.listen(share.path), name: share.name))
            }
            return shares
        }
        nameServers = NameServerSetting(named: options.resolverFile)
        if options.queues > 0 { interface = try makeInterface() }
    }

    private func makeInterface() throws(AgentFailure) -> GuestInterface {
        try GuestInterface(
            name: options.interfaceName,
            mac: options.mac ?? StableAddress.make(interface: options.interfaceName, endpoint: options.endpoint),
            queues: options.queues)
    }

    /// Whether the agent will mount a file with name servers.
    var mountsNameServers: Bool { options.configures && nameServers.mounts }

    /// Milliseconds between attempts to reach the host: the first pause, and the longest.
    private static var firstPause: UInt64 { 50 }
    private static var longestPause: UInt64 { 2_000 }

    /// Opens sessions with the host, one after another, until a signal ends the agent.
    func run() throws(AgentFailure) {
        defer { nameServers.restore() }
        var pause = Self.firstPause
        while true {
            do throws(AgentFailure) {
                let session = try start()
                pause = Self.firstPause
                lastComplaint = nil
                AgentCommand.say("connected to \(options.endpoint)")
                while session.ending == nil, !signals.hasCome {
                    loop.runTurn()
                    session.checkFrames()
                }
                session.stop()
                // If the interface was deleted, `start` makes a new one.
                if session.hasLostInterface { interface = nil }
                guard !signals.hasCome, let reason = session.ending else { return }
                complain("\(reason); connecting again")
            } catch {
                complain("\(error); trying again")
            }
            rest(milliseconds: pause)
            if signals.hasCome { return }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// A loop member that records that its deadline has passed.
    private final class Timer: LoopMember {
        private(set) var isDue = false

        override func deadlinePassed(now: UInt64) { isDue = true }
    }

    /// Runs the loop for this time, or until a signal arrives.
    private func rest(milliseconds: UInt64) {
        let timer = Timer()
        loop.schedule(timer, at: MonotonicClock.now() + milliseconds * 1_000_000)
        while !timer.isDue, !signals.hasCome { loop.runTurn() }
        loop.remove(timer)
    }

    /// Writes an error message unless it repeats the last one.
    private func complain(_ line: String) {
        guard line != lastComplaint else { return }
        lastComplaint = line
        AgentCommand.say(line)
    }

    /// Opens all channels of a session.
    private func start() throws(AgentFailure) -> AgentSession {
        if options.queues > 0, interface == nil { interface = try makeInterface() }
        let identifier = SessionIdentifier.random()
        var hello = Hello(role: .stream, session: identifier, token: token)
        hello.role = .control(
            GuestOffer(
                mac: interface?.mac ?? MACAddress(rawValue: 0), queues: UInt16(interface?.queues.count ?? 0),
                mtu: options.mtu, takesUDPSuperFrames: interface?.takesUDPSuperFrames ?? false,
                name: options.guestName ?? HostName.read()))
        let control = try AgentChannel.begin(line, hello)
        var sockets: [Int32] = []
        do throws(AgentFailure) {
            // The host answers the control channel's hello (by `Welcome`) only when all frame channels of the guest are
            // open.
            let queues = interface?.queues ?? []
            for index in queues.indices {
                hello.role = .frames(queue: UInt16(index), of: UInt16(queues.count))
                sockets.append(try AgentChannel.begin(line, hello).take())
            }
            let welcome = try AgentChannel.finish(control.rawValue)
            if welcome.queues > 0 {
                while sockets.count > welcome.queues { close(sockets.removeLast()) }
            }
            for socket in sockets { _ = try AgentChannel.finish(socket) }
            if interface != nil {
                guard let network = welcome.network else { throw AgentFailure("the host has no network for the guest") }
                try configure(network)
                interface?.keep(queues: sockets.count)
            }
            let adopted = sockets
            sockets = []
            do throws(SystemError) {
                return try AgentSession(
                    control: control, welcome: welcome, line: line, hello: hello, queues: interface?.queues ?? [],
                    sockets: adopted, on: loop, requests: requests, shares: shares)
            } catch {
                throw AgentFailure(error)
            }
        } catch {
            for socket in sockets { close(socket) }
            throw error
        }
    }

    /// Configures the interface for a network. An interface that is configured for the same network stays as it is;
    /// one that is configured for another network is replaced by a new interface.
    private func configure(_ network: GuestNetwork) throws(AgentFailure) {
        if let known = interface?.network {
            guard known != network else { return }
            // The old device is removed, with its addresses and routes, before the new one uses its name.
            interface = nil
            interface = try makeInterface()
        }
        try interface?.set(network, configures: options.configures)
        if options.configures {
            // A failure is only printed, because a guest without DNS is better than one without a network.
            do throws(AgentFailure) { try nameServers.set(network.nameServers.map { "\($0)" }) } catch {
                AgentCommand.say("\(error)")
            }
        }
    }
}
