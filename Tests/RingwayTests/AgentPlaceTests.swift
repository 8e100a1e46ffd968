import Glibc
import RingwayAgentHost
import RingwayAgentProtocol
import RingwaySystem
import Testing

@testable import Ringway

/// A stand-in for an agent.
private final class Witness {}

private let loopback = IPAddress(IPv4Address(127, 0, 0, 1))

private func forward(_ port: UInt16, to target: UInt16 = 80) -> AgentForward {
    AgentForward(
        .address(TransportAddress(address: loopback, port: port)),
        to: DialTarget(.tcp(TransportAddress(address: loopback, port: target))))
}

@Suite("A network's table of agents' ports")
struct AgentPlaceTableTests {
    private let agent = Witness()
    private var table = AgentPlaceTable()

    private func key(_ number: UInt32) -> AgentPlaceTable.Key {
        AgentPlaceTable.Key(agent: ObjectIdentifier(agent), route: .agent(number))
    }

    private mutating func note(_ number: UInt32, _ problem: String?) -> AgentPlaceTable.Change {
        table.note(
            key(number), .agent, forward(UInt16(number)), owner: "agent:web", guest: 3, problem: problem,
            number: table.number(of: key(number)) ?? 100 + number)
    }

    private mutating func refuse(_ number: UInt32) -> AgentPlace? {
        table.refused(number, by: ObjectIdentifier(agent), because: "full")?.place
    }

    @Test mutating func `reports once that a port could not be bound, and later that it is bound`() {
        guard case .failed(let place) = note(1, "in use") else {
            Issue.record("no failure")
            return
        }
        #expect(place.state == .failed && place.problem == "in use" && place.owner == "agent:web")
        #expect(note(1, "in use") == .nothing)
        guard case .added(let later) = note(1, nil) else {
            Issue.record("not added")
            return
        }
        #expect(later.id == place.id && later.state == .active && later.problem == nil)
        #expect(note(1, nil) == .nothing)
        #expect(table.all == [later])
        #expect(table.remove(key(1)) == later)
        #expect(table.remove(key(1)) == nil)
    }

    @Test mutating func `remembers a bounded number of ports that an agent could not have`() {
        for number in 1...UInt32(AgentPlaceTable.maximumFailed + 10) { _ = note(number, "in use") }
        #expect(table.all.count == AgentPlaceTable.maximumFailed)
        _ = table.remove(key(1))
        guard case .failed = note(50_000, "in use") else {
            Issue.record("there is room for one")
            return
        }
        #expect(note(50_001, "in use") == .nothing)
        #expect(table.agentLeft(ObjectIdentifier(agent)).removed.count == AgentPlaceTable.maximumFailed)
        #expect(table.all.isEmpty)
        guard case .failed = note(1, "in use") else {
            Issue.record("an agent that has gone leaves nothing behind")
            return
        }
    }

    @Test mutating func `has a configured place wait when its agent goes, and forgets the agent's own`() throws {
        let socket = try PlaceSocket(forward(0))
        let place = table.add(forward(1), for: forward(1), socket, number: 1)
        #expect(place.state == .waiting)
        table.lead(1, to: ObjectIdentifier(agent), guest: 3)
        _ = note(2, nil)
        #expect(table.all.map(\.state) == [.active, .active])
        let (removed, resting) = table.agentLeft(ObjectIdentifier(agent))
        #expect(removed.map(\.id) == [102])
        #expect(resting.count == 1)
        #expect(table.all.map(\.state) == [.waiting])
        #expect(table.waiting.map(\.place.id) == [1])
        #expect(table[1]?.guest == nil)
    }

    @Test mutating func `has a place fail that its agent refuses, and tries a configured one with any agent`() throws {
        let id = ObjectIdentifier(agent)
        #expect(refuse(1) == nil)
        _ = table.add(forward(1), for: forward(1), try PlaceSocket(forward(0)), number: 1)
        table.lead(1, to: id, guest: 3)
        let configured = table.refused(1, by: id, because: "full")
        #expect(configured?.resting != nil)
        #expect(table[1]?.state == .failed && table[1]?.problem == "full")
        #expect(table[1]?.guest == nil)
        #expect(table.waiting.map(\.place.id) == [1])
        #expect(refuse(1) == nil, "the agent has it no more")

        let following = AgentPlaceTable.Key(agent: id, route: .host(0x8000_0050))
        _ = table.note(following, .follow, forward(80), owner: "follow", guest: 3, problem: nil, number: 9)
        let refused = refuse(0x8000_0050)
        #expect(refused?.id == 9 && refused?.state == .failed)
        #expect(table.failedFollowers.map(\.place.id) == [9])
        _ = table.note(following, .follow, forward(80), owner: "follow", guest: 3, problem: nil, number: 9)
        #expect(table.failedFollowers.isEmpty)
    }

    @Test mutating func `keeps a place as it was requested, beside the address that was granted`() throws {
        var request = forward(1)
        request.place = .address(TransportAddress(address: IPAddress(IPv4Address(0, 0, 0, 0)), port: 1))
        _ = table.add(forward(1), for: request, try PlaceSocket(forward(0)), number: 1)
        #expect(table[1]?.forward == forward(1))
        #expect(table.requests == [1: request])
        _ = note(2, nil)
        #expect(table.requests.count == 1)
    }
}

@Suite("The socket of a forward through an agent")
struct PlaceSocketTests {
    /// Whether another server could bind the port.
    private func canHave(_ port: UInt16, reuse: Bool) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var one: Int32 = reuse ? 1 : 0
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        return apply(descriptor, port, bind) == 0 && listen(descriptor, 1) == 0
    }

    private func connects(_ port: UInt16) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return apply(descriptor, port, connect) == 0
    }

    private func apply(
        _ descriptor: Int32, _ port: UInt16, _ call: (Int32, UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                call(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private func freePort() throws -> UInt16 {
        let request = PublishRequest(
            number: 0, transport: .tcp, host: TransportAddress(address: loopback, port: 0),
            guest: TransportAddress(address: loopback, port: 80))
        let (descriptor, port) = try PublishedSocket.open(request)
        close(descriptor)
        return port
    }

    @Test func `keeps the port reserved with and without an agent, and accepts with one only`() throws {
        let port = try freePort()
        let place = try PlaceSocket(forward(port))
        for _ in 0..<3 {
            #expect(!connects(port))
            #expect(!canHave(port, reuse: false) && !canHave(port, reuse: true))
            let listener = try place.listen()
            #expect(connects(port))
            #expect(!canHave(port, reuse: false) && !canHave(port, reuse: true))
            // The agent's session ends, and with it its descriptor.
            close(listener.take())
            place.rest()
        }
        place.end()
        #expect(canHave(port, reuse: false))
    }

    @Test func `reports at once that a port is in use`() throws {
        let port = try freePort()
        let first = try PlaceSocket(forward(port))
        #expect(throws: VirtualNetwork.Failure.self) { try PlaceSocket(forward(port)) }
        first.end()
        try PlaceSocket(forward(port)).end()
    }

    @Test func `has a file only while there is an agent`() throws {
        let path = "/tmp/ringway-place-\(getpid()).sock"
        let target = DialTarget(.unix(path: "/run/docker.sock"))
        let place = try PlaceSocket(AgentForward(.unix(path: path), to: target))
        #expect(access(path, F_OK) != 0)
        let listener = try place.listen()
        #expect(access(path, F_OK) == 0)
        close(listener.take())
        place.rest()
        #expect(access(path, F_OK) != 0)
        close(try place.listen().take())
        place.end()
        #expect(access(path, F_OK) != 0)
    }
}
