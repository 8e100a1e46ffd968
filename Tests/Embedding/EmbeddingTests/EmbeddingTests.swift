import Foundation
import Glibc
import Ringway
import Testing

/// What a launcher does with `import Ringway` and nothing else, with machines that are network namespaces.
///
/// One at a time, because what is asked of the process is about all of it.
@Suite(
    "A launcher", .serialized, .timeLimit(.minutes(2)),
    .enabled(if: Machine.obstacle == nil, "\(Machine.obstacle ?? "")"))
struct EmbeddingTests {
    /// The three ways in which a launcher meets a machine.
    enum Way: CaseIterable { case socket, tap, path }

    /// Starts a machine, attaches it, and returns when its network knows it.
    static func start(_ way: Way, on network: VirtualNetwork, _ bed: Bed) async throws -> (Machine, Guest) {
        let events = network.events
        let machine: Machine
        switch way {
        case .socket:
            machine = try Machine(.socket(attachBySocket(to: network)), on: network, directory: bed.directory)
        case .tap:
            machine = try Machine(.tap, on: network, directory: bed.directory)
            try attach(tap: machine.receiveTap(), to: network)
        case .path:
            let path = bed.directory + "/machine.sock"
            try network.listen(on: .qemu(path: path))
            machine = try Machine(.path(path), on: network, directory: bed.directory)
        }
        return (machine, try #require(await nextGuest(events)))
    }

    @Test(arguments: Way.allCases)
    func `attaches a machine that reaches the host and is reached at a published port`(_ way: Way) async throws {
        try await Bed.use { bed in
            let network = try makeNetwork(for: Machine.mac)
            defer { network.stop() }
            let port = try publish(80, of: .name("web"), on: network)
            let (machine, guest) = try await Self.start(way, on: network, bed)
            #expect(guest.name == "web")
            try bed.carry(by: machine, publishedAt: port)
            network.stop()
            try machine.waitForEnd()
        }
    }

    @Test func `has two networks with the same addresses that do not meet`() async throws {
        try await Bed.use { firstBed in
            try await Bed.use { secondBed in
                let networks = (try makeNetwork(for: Machine.mac), try makeNetwork(for: Machine.mac))
                defer { for network in [networks.0, networks.1] { network.stop() } }
                let ports = (
                    try publish(80, of: .first, on: networks.0), try publish(80, of: .first, on: networks.1)
                )
                let (first, _) = try await Self.start(.socket, on: networks.0, firstBed)
                let (second, _) = try await Self.start(.tap, on: networks.1, secondBed)
                try firstBed.carry(by: first, publishedAt: ports.0)
                networks.0.stop()
                try first.waitForEnd()
                try secondBed.carry(by: second, publishedAt: ports.1)
                networks.1.stop()
                try second.waitForEnd()
            }
        }
    }

    @Test func `hears what happens until the network has ended`() async throws {
        try await Bed.use(byteCount: 1 << 10) { bed in
            let network = try makeNetwork(for: Machine.mac)
            let events = network.events
            let log = Task {
                var lines: [String] = []
                for await event in events { lines.append("\(event)") }
                return lines
            }
            let port = try publish(80, of: .name("web"), on: network)
            let (machine, guest) = try await Self.start(.socket, on: network, bed)
            network.stop()
            try machine.waitForEnd()
            let lines = await log.value
            #expect(
                lines == [
                    "web=127.0.0.1::80/tcp is published as web=127.0.0.1:\(port):80/tcp",
                    "guest \(guest) is attached",
                    "192.168.127.20 is given to 52:54:00:12:34:56",
                    "guest \(guest) is gone: the network ends",
                ], "\(lines)")
        }
    }

    @Test func `hears of a machine that goes by itself`() async throws {
        try await Bed.use(byteCount: 1 << 10) { bed in
            let network = try makeNetwork(for: Machine.mac)
            defer { network.stop() }
            let (machine, guest) = try await Self.start(.socket, on: network, bed)
            let events = network.events
            machine.kill()
            for await event in events {
                guard case .guestDetached(let gone, _) = event else { continue }
                #expect(gone == guest)
                break
            }
            #expect(network.guests.isEmpty)
        }
    }

    @Test func `reads counters of each machine while it is there, and of all of them afterwards`() async throws {
        try await Bed.use { bed in
            let network = try makeNetwork(for: Machine.mac)
            defer { network.stop() }
            let port = try publish(80, of: .name("web"), on: network)
            let (machine, guest) = try await Self.start(.socket, on: network, bed)
            try bed.carry(by: machine, publishedAt: port)
            #expect(try #require(load(of: guest, on: network)).hasPrefix("web: "))
            network.stop()
            try machine.waitForEnd()
            #expect(load(of: guest, on: network) == nil)
            let statistics = network.statistics()
            #expect(statistics["octetsToGuest"] > bed.byteCount)
            #expect(statistics["octetsFromGuest"] > bed.byteCount)
            #expect(statistics["forwardsAccepted"] == 1)
        }
    }

    @Test func `writes addresses of links as the command does`() {
        let addresses: [LinkAddress] = [.qemu(path: "/run/lab/vm.sock"), .agentPort(1_024), .tap(name: "ring0")]
        #expect(addresses.map(\.description) == ["qemu:/run/lab/vm.sock", "vsock:1024", "tap:ring0"])
    }
}
