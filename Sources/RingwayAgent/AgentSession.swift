internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// One session of the agent with a host. It begins with the host's `Welcome`, and ends when the control channel or a
/// frame channel ends, or when the interface is deleted.
///
/// The session is a member of the agent's event loop, which handles the control channel, programs that request ports,
/// and the streams with their relays. The session's deadline is the next scan of listening ports, or the next
/// repetition of a refused request, whichever is earlier.
final class AgentSession: LoopMember {
    private let loop: EventLoop
    private let control: OwnedDescriptor
    private let requests: LocalRequests?
    private let pump: FramePump
    private let pumpEnd: SocketMember
    private let streams: AgentStreams
    private let wantsPorts: Bool
    private var ports = ListeningPorts()
    private var reader = AgentMessageReader.ofHost()
    private var nextPortCheck: UInt64 = 0
    /// The numbers of requests for ports that a host granted earlier and refuses now. No program waits for a reply any
    /// more, but the port may become free, so the agent repeats these requests.
    private var repeated: Set<UInt32> = []
    private var nextRepeat: UInt64 = 0
    /// Why the session has ended; `nil` until then.
    private(set) var ending: String?

    /// Starts the frame threads and the streams. `control` and `sockets` are connected channels, and are adopted.
    init(
        control: consuming OwnedDescriptor, welcome: Welcome, line: HostLine, hello: Hello, queues: [Int32],
        sockets: [Int32], on loop: EventLoop, requests: LocalRequests?, shares: [SharedSocket]
    ) throws(SystemError) {
        self.control = control
        self.loop = loop
        self.requests = requests
        wantsPorts = welcome.wantsPorts
        let pump = try FramePump(queues: queues, sockets: sockets)
        self.pump = pump
        streams = AgentStreams(on: loop, line, hello: hello, ready: Int(welcome.readyStreams), shares: shares)
        pumpEnd = SocketMember(pump.ended.descriptor) { pump.ended.clear() }
        super.init()
        loop.register(self, descriptor: self.control.rawValue, interest: .read)
        loop.register(pumpEnd, descriptor: pumpEnd.descriptor, interest: .read)
        requests?.onEvent = { [unowned self] event in attempt { () throws(AgentFailure) in try pass(event) } }
        attempt { () throws(AgentFailure) in
            for request in requests?.requests ?? [] { try send(.publish(request)) }
        }
        if wantsPorts { loop.schedule(self, at: loop.now) }
    }

    /// Nanoseconds between two scans of the guest's listening ports.
    private static var portInterval: UInt64 { 500_000_000 }
    /// Nanoseconds until a port that is no longer free is requested again.
    private static var repeatInterval: UInt64 { 2_000_000_000 }

    /// Stops the frame threads, and ends all streams with a reset.
    func stop() {
        requests?.onEvent = nil
        loop.remove(self)
        loop.remove(pumpEnd)
        shutdown(control.rawValue, Int32(SHUT_RDWR))
        pump.stop()
        streams.stop()
    }

    /// Whether the session has ended because the interface was deleted.
    var hasLostInterface: Bool { pump.ending == .device }

    /// Runs a body, whose failure ends the session.
    private func attempt(_ body: () throws(AgentFailure) -> Void) {
        guard ending == nil else { return }
        do throws(AgentFailure) { try body() } catch { ending = error.description }
    }

    /// Checks, after each turn, whether the frame threads have stopped.
    func checkFrames() {
        guard ending == nil else { return }
        switch pump.ending {
        case .none: break
        case .channel: ending = "the host has closed a connection"
        case .invalidFrame: ending = "the host sent what is no frame"
        case .device: ending = "the interface is gone"
        }
    }

    // MARK: The host

    override func ready(_ events: EventLoop.Events) {
        attempt { () throws(AgentFailure) in
            if let message = try AgentChannel.receiveAvailable(&reader, from: control.rawValue) { try handle(message) }
        }
    }

    private func handle(_ message: AgentMessage) throws(AgentFailure) {
        switch message {
        case .moreStreams(let count): streams.open(more: Int(count))
        case .published(let answer):
            guard requests?.answer(answer) == false, answer.refusal != nil else { return }
            if repeated.isEmpty { nextRepeat = MonotonicClock.now() + Self.repeatInterval }
            repeated.insert(answer.number)
            scheduleNext()
        case .clock(let time): GuestClock.follow(time)
        default: throw AgentFailure("the host sent a message that does not belong here")
        }
    }

    private func send(_ message: AgentMessage) throws(AgentFailure) {
        try AgentChannel.send(message, on: control.rawValue)
    }

    // MARK: Timers

    private func scheduleNext() {
        var deadline = UInt64.max
        if wantsPorts { deadline = nextPortCheck }
        if !repeated.isEmpty { deadline = min(deadline, nextRepeat) }
        if deadline < .max { loop.schedule(self, at: deadline) }
    }

    override func deadlinePassed(now: UInt64) {
        attempt { () throws(AgentFailure) in
            if wantsPorts, now >= nextPortCheck {
                for report in ports.changes() { try send(.ports(report)) }
                nextPortCheck = now + Self.portInterval
            }
            if !repeated.isEmpty, now >= nextRepeat { try repeatRequests() }
        }
        scheduleNext()
    }

    private func repeatRequests() throws(AgentFailure) {
        for request in requests?.requests ?? [] where repeated.contains(request.number) { try send(.publish(request)) }
        repeated = []
    }

    // MARK: Programs in the guest

    private func pass(_ event: LocalRequests.Event) throws(AgentFailure) {
        switch event {
        case .request(let request): try send(.publish(request))
        case .gone(let number):
            repeated.remove(number)
            try send(.unpublish(number))
        }
    }
}
