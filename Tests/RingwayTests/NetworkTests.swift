import CRingway
import Foundation
import Synchronization
import Testing

@testable import Ringway

/// A network in this process, with guests that are only links.
@Suite("A network", .enabled(if: KernelFeatures.probe()[0].present && KernelFeatures.probe()[2].present))
struct NetworkTests {
    private static func configuration() -> VirtualNetwork.Configuration {
        var configuration = VirtualNetwork.Configuration()
        configuration.nameServers = [TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 9)]
        configuration.shards = 1
        configuration.limits.poolBytesPerShard = 16 << 20
        return configuration
    }

    /// A link and its other end.
    private static func makeLink() throws -> (link: Link, end: Int32) {
        var ends: [Int32] = [-1, -1]
        try #require(ringway_message_pair(&ends) == 0)
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        return (Link(queues: [ends[0]], takesUDPSuperFrames: true), ends[1])
    }

    private static func mac(_ number: UInt64) -> MACAddress { MACAddress(rawValue: 0x5254_0000_0000 | number) }

    /// Waits until a condition holds.
    private static func wait(_ what: String, _ condition: () -> Bool) throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while ContinuousClock.now < deadline {
            if condition() { return }
            usleep(5_000)
        }
        Issue.record("not in time: \(what)")
    }

    @Test func `gives guests addresses and names, and reports them`() throws {
        let network = try VirtualNetwork(Self.configuration())
        defer { network.stop() }
        let events = Mutex([String]())
        let subscription = network.subscribe { event in events.withLock { $0.append("\(event)") } }
        defer { subscription.cancel() }
        let (first, second) = (try Self.makeLink(), try Self.makeLink())
        defer { for end in [first.end, second.end] { close(end) } }
        let one = try network.attach(first.link, mac: Self.mac(1), description: "here")
        let two = try network.attach(second.link, mac: Self.mac(2), name: "Two", description: "there")
        #expect(one.ipv4 == IPv4Address(192, 168, 127, 2))
        #expect(one.name == "guest-2")
        #expect(two.ipv4 == IPv4Address(192, 168, 127, 3))
        #expect(two.name == "two")
        #expect(network.guests == [one, two])
        try network.detach(one.id)
        #expect(network.guests == [two])
        try Self.wait("events") { events.withLock { $0.count } == 5 }
        #expect(
            events.withLock { $0 } == [
                "guest guest-2 (52:54:00:00:00:01, 192.168.127.2) on here is attached",
                "192.168.127.2 is given to 52:54:00:00:00:01",
                "guest two (52:54:00:00:00:02, 192.168.127.3) on there is attached",
                "192.168.127.3 is given to 52:54:00:00:00:02",
                "guest guest-2 (52:54:00:00:00:01, 192.168.127.2) on here is gone: it was detached",
            ])
    }

    @Test func `detaches a guest whose link is lost, and gives it its address again`() throws {
        let network = try VirtualNetwork(Self.configuration())
        defer { network.stop() }
        let first = try Self.makeLink()
        let guest = try network.attach(first.link, mac: Self.mac(1))
        close(first.end)
        try Self.wait("the end of the guest") { network.guests.isEmpty }
        let other = try Self.makeLink()
        let again = try Self.makeLink()
        defer { for end in [other.end, again.end] { close(end) } }
        _ = try network.attach(other.link, mac: Self.mac(2))
        #expect(try network.attach(again.link, mac: Self.mac(1)).ipv4 == guest.ipv4)
    }

    @Test func `refuses a second guest of the same ethernet address, and one too many`() throws {
        var configuration = Self.configuration()
        configuration.limits.guestsPerNetwork = 2
        let network = try VirtualNetwork(configuration)
        defer { network.stop() }
        let links = try (0..<3).map { _ in try Self.makeLink() }
        defer { for link in links { close(link.end) } }
        try network.attach(links[0].link, mac: Self.mac(1))
        let twin = #expect(throws: VirtualNetwork.Failure.self) { try network.attach(links[1].link, mac: Self.mac(1)) }
        #expect(twin?.description.contains("has the same address") == true)
        try network.attach(links[1].link, mac: Self.mac(2))
        let third = #expect(throws: VirtualNetwork.Failure.self) { try network.attach(links[2].link, mac: Self.mac(3)) }
        #expect(third?.description.contains("--max-guests") == true)
        #expect(third?.kind == .exhausted)
        close(links[2].link.queues[0])
        #expect(network.statistics()["guestsRefused"] == 2)
        #expect(network.statistics()["guests"] == 2)
    }

    @Test func `reports a guest's bounds as they apply: to the guest, or to each of its queues or shards`() throws {
        var configuration = Self.configuration()
        configuration.limits.flowsPerGuest = 1_000
        configuration.limits.udpMappings = 100
        configuration.limits.pingMappings = 10
        let network = try VirtualNetwork(configuration)
        defer { network.stop() }
        let (first, second) = (try Self.makeLink(), try Self.makeLink())
        defer { for end in [first.end, second.end] { close(end) } }
        let link = Link(queues: first.link.queues + second.link.queues, takesUDPSuperFrames: true)
        let guest = try network.attach(link, mac: Self.mac(1))
        let bounds = try #require(network.bounds(of: guest.id))
        func limit(_ name: String) -> Int? { bounds.first { $0.name == name }?.limit }
        #expect(limit("TCP connections") == 1_000)
        #expect(limit("UDP mappings") == 200)
        #expect(limit("ping mappings") == 20)
        // Both queues are on the network's only shard, and share its buffers.
        #expect(limit("buffers") == configuration.limits.largeBuffers + configuration.limits.smallBuffers)
    }

    @Test func `keeps counting what guests did that have gone`() throws {
        let network = try VirtualNetwork(Self.configuration())
        defer { network.stop() }
        let (link, end) = try Self.makeLink()
        let guest = try network.attach(link, mac: Self.mac(1))
        let nonsense = [UInt8](repeating: 1, count: 40)
        for _ in 0..<5 { #expect(write(end, nonsense, nonsense.count) == nonsense.count) }
        try Self.wait("the frames") { network.statistics(of: guest.id)?["framesFromGuest"] == 5 }
        close(end)
        // It is not listed any more while its engine is still ending, whose counts are kept all the same.
        try Self.wait("the end of the guest") { network.guests.isEmpty }
        #expect(network.statistics()["framesFromGuest"] == 5)
        try Self.wait("the end of the guest's engine") { network.statistics()["buffersLeased"] == 0 }
        #expect(network.statistics()["framesFromGuest"] == 5)
    }

    @Test func `forgets where machines came that were given by descriptor`() throws {
        let network = try VirtualNetwork(Self.configuration())
        defer { network.stop() }
        for number in 1...4 {
            var ends: [Int32] = [-1, -1]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0)
            try network.listen(on: .socket(ends[0]))
            // The length, a broadcast destination, the machine's address, and an invalid packet.
            let mac: [UInt8] = [0x52, 0x54, 0, 0, 0, UInt8(number)]
            let frame = [0, 0, 0, 60] + Array(repeating: UInt8(255), count: 6) + mac + Array(repeating: 0, count: 48)
            #expect(send(ends[1], frame, frame.count, 0) == frame.count)
            try Self.wait("the machine") { network.guests.map(\.mac) == [Self.mac(UInt64(number))] }
            close(ends[1])
            try Self.wait("its end") { network.guests.isEmpty }
        }
        let places = Mutex(0)
        network.loop.perform {
            let entries = Mirror(reflecting: network.listeners).descendant("entries")
            places.withLock { $0 = entries.map { Mirror(reflecting: $0).children.count } ?? -1 }
        }
        // The last one is evicted by another.
        #expect(places.withLock { $0 } == 1)
    }

    @Test func `gives back what guests used that come and go`() throws {
        let network = try VirtualNetwork(Self.configuration())
        defer { network.stop() }
        func round() throws {
            let (link, end) = try Self.makeLink()
            let guest = try network.attach(link, mac: Self.mac(1))
            try network.detach(guest.id)
            close(end)
        }
        func rings() -> Int {
            let directory = "/proc/self/fd"
            let numbers = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
            return numbers.count { number in
                let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "\(directory)/\(number)")
                return target?.contains("io_uring") == true
            }
        }
        try round()
        // Concurrent tests create some.
        let before = rings()
        for _ in 0..<50 { try round() }
        try Self.wait("the end of \(rings()) rings, \(before) before") { rings() < before + 40 }
    }

    @Test func `keeps a port bound when a set of forwards moves it to another guest`() throws {
        let network = try VirtualNetwork(Self.configuration())
        defer { network.stop() }
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        func forward(_ ports: ClosedRange<UInt16>, to guest: UInt16) -> PortForward {
            PortForward(
                hostAddress: loopback, hostPorts: ports, guestPorts: guest...guest + UInt16(ports.count - 1),
                transport: .tcp)
        }
        let first = try network.publish(forward(0...0, to: 80), owner: "set")
        let ports = first.forward.hostPorts
        let changed = try network.setPublished([forward(ports, to: 81)], owner: "set")
        #expect(changed.removed.map(\.id) == [first.id])
        #expect(changed.added.map(\.forward.guestPorts) == [81...81])
        // A failed change leaves everything as it was, and the port held.
        let foreign = PortForward(
            hostAddress: IPAddress(IPv4Address(192, 0, 2, 77)), hostPorts: 9...9, guestPorts: 9...9, transport: .tcp)
        #expect(throws: VirtualNetwork.Failure.self) {
            try network.setPublished([forward(ports, to: 82), foreign], owner: "set")
        }
        #expect(network.publishedPorts.map(\.forward.guestPorts) == [81...81])
        #expect(network.publishedPorts.allSatisfy { $0.problem == nil })
        let taken = #expect(throws: VirtualNetwork.Failure.self) { try network.publish(forward(ports, to: 83)) }
        #expect(taken?.kind == .portInUse)
        #expect(taken?.description.contains("this network's own forward") == true)
    }

    @Test func `lists a forward through an agent at the address that it has, and as it was requested`() throws {
        var configuration = Self.configuration()
        configuration.publishOn = .loopback
        let network = try VirtualNetwork(configuration)
        defer { network.stop() }
        let loopback = IPAddress(IPv4Address(127, 0, 0, 1))
        let target = DialTarget(.tcp(TransportAddress(address: loopback, port: 80)))
        let everywhere = TransportAddress(address: IPAddress(IPv4Address(0, 0, 0, 0)), port: 0)
        let request = AgentForward(.address(everywhere), to: target)
        let number = try network.forward(request)
        let place = try #require(network.agentPlace(number))
        #expect(place.forward.place == .address(TransportAddress(address: loopback, port: 0)))
        #expect(network.agentForwards == [number: request])
    }

    @Test func `retries failed ports at growing intervals`() {
        var retry = ForwardRetry()
        #expect(retry.failed() == 1_000)
        #expect(retry.failed() == nil, "an attempt is to come")
        var delays: [UInt64] = []
        while delays.count < 8, let delay = retry.attempted(isSettled: false) { delays.append(delay) }
        #expect(delays == [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
        #expect(retry.attempted(isSettled: true) == nil)
        #expect(retry.failed() == 1_000)
    }

    @Test func `publishes before its guest is there, and moves with it`() throws {
        let network = try VirtualNetwork(Self.configuration())
        defer { network.stop() }
        let any: UInt16 = 0
        let probe = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(probe) }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = any
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let port = try withUnsafeMutablePointer(to: &name) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                try #require(bind(probe, name, length) == 0)
                try #require(getsockname(probe, name, &length) == 0)
                return name.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { $0.pointee.sin_port.bigEndian }
            }
        }
        var forward = PortForward(
            hostAddress: IPAddress(IPv4Address(127, 0, 0, 1)), hostPorts: port...port, guestPorts: 80...80,
            transport: .tcp, guest: .name("late"))
        let taken = #expect(throws: VirtualNetwork.Failure.self) { try network.publish(forward) }
        #expect(taken?.description.contains("the port is in use") == true)
        forward.hostPorts = 0...0
        let number = try network.publish(forward)
        #expect(network.publishedPorts.map(\.guest) == [nil])
        let (link, end) = try Self.makeLink()
        defer { close(end) }
        let guest = try network.attach(link, mac: Self.mac(1), name: "late")
        #expect(network.publishedPorts.map(\.guest) == [guest.id])
        try network.unpublish(number)
        #expect(network.publishedPorts.isEmpty)
        #expect(throws: VirtualNetwork.Failure.self) { try network.unpublish(number) }
    }
}
