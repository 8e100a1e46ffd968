import Foundation
import RingwayAgentHost
import RingwayAgentProtocol
import RingwayModel
import RingwaySystem
import Synchronization

/// A reception that admits every agent and records it.
final class Reception: AgentReception {
    struct Memory {
        var queues: [Int] = []
        var disconnected = 0
        var ports: [PortReport.Change] = []
        var agents: [AgentGuest] = []
        /// Ports granted, refused and withdrawn, in this order.
        var requests: [String] = []
        /// Forwards that could not be opened.
        var refusedForwards: [UInt32] = []
    }

    let memory = Mutex(Memory())

    func admit(_ agent: AgentGuest, queues: [Int32]) throws(Refusal) -> Welcome {
        memory.withLock { memory in
            memory.queues.append(queues.count)
            memory.agents.append(agent)
        }
        for queue in queues { close(queue) }
        return Welcome(readyStreams: 1, wantsPorts: true)
    }

    func didDisconnect(_ agent: AgentGuest, because reason: String) { memory.withLock { $0.disconnected += 1 } }

    /// The most ports of an agent.
    static var most: Int { 8 }

    func approve(
        _ request: PublishRequest, for agent: AgentGuest, holding count: Int
    ) throws(Refusal) -> PublishRequest {
        guard count < Self.most else { throw Refusal(errorNumber: ENOSPC, text: "\(count) are enough") }
        return request
    }

    func publish(_ granted: PublishRequest, for agent: AgentGuest) {
        memory.withLock { $0.requests.append("\(granted.number) at \(granted.host)") }
    }

    func refuse(_ request: PublishRequest, because refusal: Refusal, for agent: AgentGuest) {
        memory.withLock { $0.requests.append("\(request.number) not at \(request.host): \(refusal.errorNumber)") }
    }

    func refuseForward(_ number: UInt32, because refusal: Refusal, for agent: AgentGuest) {
        memory.withLock { $0.refusedForwards.append(number) }
    }

    func unpublish(_ number: UInt32, for agent: AgentGuest) {
        memory.withLock { $0.requests.append("\(number) is over") }
    }

    func report(_ changes: [PortReport.Change], of agent: AgentGuest) { memory.withLock { $0.ports += changes } }
}

/// A host with its own path, for one test.
final class House {
    let reception = Reception()
    private let host: AgentHost
    private let path = "/tmp/ringway-agents-\(getpid())-\(UInt32.random(in: 0...(.max))).sock"

    init(token: String = "") throws {
        host = try AgentHost(token: Array(token.utf8), reception: reception)
        try host.listen(on: .unix(path: path))
    }

    /// Connects to agents through a monitor's socket, too.
    func connect(to monitor: Monitor, port: UInt32) throws {
        try host.listen(on: .hybrid(path: monitor.path, port: port))
    }

    deinit {
        host.stop()
        unlink(path)
    }

    /// A connected agent.
    func call() throws -> Caller { try Caller(path) }

    func wait(_ what: String, _ isTrue: (Reception.Memory) -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while !reception.memory.withLock({ isTrue($0) }) {
            guard ContinuousClock.now < deadline else { throw POSIXError(.ETIMEDOUT) }
            usleep(2_000)
        }
    }
}

/// The socket of a machine monitor, such as Firecracker's, through which the host connects to an agent.
final class Monitor {
    let path = "/tmp/ringway-monitor-\(getpid())-\(UInt32.random(in: 0...(.max))).sock"
    private let listener: OwnedDescriptor

    init() throws {
        listener = try NamedSocket.listen(path, backlog: 8)
        var timeout = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(listener.rawValue, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { unlink(path) }

    /// Answers the host's next connection, and returns the agent's end of it.
    func answer() throws -> Caller {
        let socket = accept(listener.rawValue, nil, nil)
        guard socket >= 0 else { throw POSIXError(.ECONNABORTED) }
        _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
        let caller = Caller(adopting: socket)
        var byte: UInt8 = 0
        repeat {
            guard recv(socket, &byte, 1, 0) == 1 else { throw POSIXError(.ECONNRESET) }
        } while byte != UInt8(ascii: "\n")
        caller.say(Array("OK 1073741824\n".utf8))
        return caller
    }
}

/// One connection, by calls with a timeout of half a minute.
final class Caller {
    private var socket: Int32
    private var reader = AgentMessageReader.ofHost()

    init(adopting socket: Int32) {
        self.socket = socket
        var timeout = timeval(tv_sec: 30, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    convenience init(_ path: String) throws {
        let socket = Foundation.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        self.init(adopting: socket)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw POSIXError(.ECONNREFUSED) }
    }

    deinit { hangUp() }

    func hangUp() {
        if socket >= 0 { close(socket) }
        socket = -1
    }

    func say(_ bytes: [UInt8]) { _ = send(socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
    func say(_ message: AgentMessage) { say(message.bytes) }

    /// The host's next message, or `nil` when it has closed the connection.
    func hear() throws -> AgentMessage? {
        while true {
            var bytes = [UInt8](repeating: 0, count: reader.wanted)
            let count = recv(socket, &bytes, bytes.count, 0)
            if count == 0 || count < 0 && errno == ECONNRESET { return nil }
            guard count > 0 else { throw POSIXError(.ETIMEDOUT) }
            if let message = try reader.take(bytes[..<count]) { return message }
        }
    }
}

func control(_ session: SessionIdentifier, queues: UInt16, token: String = "") -> AgentMessage {
    let offer = GuestOffer(
        mac: MACAddress(rawValue: 0x0200_0000_0001), queues: queues, mtu: 0, takesUDPSuperFrames: false, name: "test")
    return .hello(Hello(role: .control(offer), session: session, token: Array(token.utf8)))
}
