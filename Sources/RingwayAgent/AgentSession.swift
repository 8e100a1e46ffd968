internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation

/// The agent's time with one host: it begins with a welcome and ends with the control conversation.
final class AgentSession {
    private let control: Int32
    private let signals: StopSignals
    private let requests: LocalRequests?
    private let pump: FramePump
    private let streams: StreamThread
    private let wakeUp: WakeUp
    private let wantsPorts: Bool
    private var ports = ListeningPorts()
    private var reader = AgentMessageReader.ofHost()
    private var nextLook: UInt64 = 0
    /// Ports that the host has refused after another host, or the same one before it ended, had granted them: nobody
    /// waits for an answer, but the port may become free.
    private var repeated: Set<UInt32> = []
    private var nextRepeat: UInt64 = 0

    /// Starts frames and streams on open conversations, which are adopted.
    init(
        control: Int32, welcome: Welcome, line: HostLine, hello: Hello, queues: [Int32], sockets: [Int32],
        signals: StopSignals, requests: LocalRequests?, shares: [StreamThread.Share]
    ) throws(AgentFailure) {
        self.control = control
        self.signals = signals
        self.requests = requests
        wantsPorts = welcome.wantsPorts
        wakeUp = try WakeUp()
        streams = try StreamThread(line, hello: hello, ready: Int(welcome.readyStreams), shares: shares)
        pump = try FramePump(queues: queues, sockets: sockets, wakeUp: wakeUp)
    }

    /// Nanoseconds between two looks at the guest's listening ports.
    private static var portInterval: UInt64 { 500_000_000 }
    /// Nanoseconds until a port that is not free any more is asked for again.
    private static var repeatInterval: UInt64 { 2_000_000_000 }

    /// Runs until the session ends. `nil` means that the agent is to end.
    func run() -> String? {
        do throws(AgentFailure) {
            for request in requests?.requests ?? [] { try tell(.publish(request)) }
            while true {
                if let end = try turn() { return end.reason }
            }
        } catch {
            return "\(error)"
        }
    }

    /// Ends frames and streams.
    func stop() {
        shutdown(control, Int32(SHUT_RDWR))
        pump.stop()
        streams.stop()
        close(control)
    }

    /// Whether the session has ended because the interface was deleted.
    var hasLostInterface: Bool { pump.ending == .device }

    private struct End {
        let reason: String?
    }

    private func turn() throws(AgentFailure) -> End? {
        var entries = [
            pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: control, events: Int16(POLLIN), revents: 0),
            pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: requests?.descriptor ?? -1, events: Int16(POLLIN), revents: 0),
        ]
        _ = poll(&entries, nfds_t(entries.count), patience)
        if entries[0].revents != 0 { return End(reason: nil) }
        if entries[2].revents != 0 {
            wakeUp.take()
            switch pump.ending {
            case .none: break
            case .conversation: return End(reason: "the host has closed a conversation")
            case .nonsense: return End(reason: "the host sent what is no frame")
            case .device: return End(reason: "the interface is gone")
            }
        }
        if entries[1].revents != 0 { try obey() }
        if entries[3].revents != 0 {
            for event in requests?.turn() ?? [] { try pass(event) }
        }
        let now = ringway_monotonic_nanoseconds()
        if wantsPorts, now >= nextLook {
            for report in ports.changes() { try tell(.ports(report)) }
            nextLook = now + Self.portInterval
        }
        if !repeated.isEmpty, now >= nextRepeat { try repeatRequests() }
        return nil
    }

    // MARK: The host

    private var patience: Int32 {
        var deadline = UInt64.max
        if wantsPorts { deadline = nextLook }
        if !repeated.isEmpty { deadline = min(deadline, nextRepeat) }
        guard deadline < .max else { return -1 }
        let now = ringway_monotonic_nanoseconds()
        return deadline <= now ? 0 : Int32((deadline - now) / 1_000_000 + 1)
    }

    private func obey() throws(AgentFailure) {
        switch try HostConversation.receive(&reader, from: control) {
        case .moreStreams(let count): streams.connect(more: Int(count))
        case .published(let answer):
            guard requests?.answer(answer) == false, answer.refusal != nil else { return }
            if repeated.isEmpty { nextRepeat = ringway_monotonic_nanoseconds() + Self.repeatInterval }
            repeated.insert(answer.number)
        case .clock(let time): GuestClock.follow(time)
        default: throw AgentFailure("the host sent a message that does not belong here")
        }
    }

    private func tell(_ message: AgentMessage) throws(AgentFailure) {
        try HostConversation.send(message, on: control)
    }

    private func repeatRequests() throws(AgentFailure) {
        for request in requests?.requests ?? [] where repeated.contains(request.number) { try tell(.publish(request)) }
        repeated = []
    }

    // MARK: The guest's programs

    private func pass(_ event: LocalRequests.Event) throws(AgentFailure) {
        switch event {
        case .request(let request): try tell(.publish(request))
        case .gone(let number?):
            repeated.remove(number)
            try tell(.unpublish(number))
        case .gone(nil), .nothing: break
        }
    }
}
