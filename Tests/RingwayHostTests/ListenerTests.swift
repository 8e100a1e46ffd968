import CRingway
import Glibc
import RingwayHost
import RingwayWire
import Testing

@Suite("Listener", .tags(.kernel), .serialized)
struct ListenerTests {
    /// Listens on a free port; some other process may take it first, so several are tried.
    private static func stream(
        _ address: IPAddress?, count: Int
    ) throws(HostFailure) -> (port: UInt16, descriptors: [Int32]) {
        for _ in 0..<20 {
            let port = HostSockets.freePort()
            do throws(HostFailure) {
                return (port, try Listener.stream(address: address, port: port, count: count))
            } catch {
                guard error.errno == EADDRINUSE else { throw error }
            }
        }
        throw HostFailure("bind", errno: EADDRINUSE)
    }

    private static func datagram(_ address: IPAddress?) throws(HostFailure) -> (port: UInt16, descriptor: Int32) {
        for _ in 0..<20 {
            let port = HostSockets.freePort()
            do throws(HostFailure) {
                return (port, try Listener.datagram(address: address, port: port))
            } catch {
                guard error.errno == EADDRINUSE else { throw error }
            }
        }
        throw HostFailure("bind", errno: EADDRINUSE)
    }

    private static func accepted(_ listeners: [Int32]) -> [Int32] {
        listeners.flatMap { listener -> [Int32] in
            var clients: [Int32] = []
            while true {
                let client = accept(listener, nil, nil)
                if client < 0 { return clients }
                clients.append(client)
            }
        }
    }

    private static func close(_ descriptors: [Int32]) {
        for descriptor in descriptors { _ = Glibc.close(descriptor) }
    }

    @Test func `shares a port between the shards, and every client reaches one of them`() throws {
        let (port, listeners) = try Self.stream(HostSockets.loopbackIPv4, count: 3)
        defer { Self.close(listeners) }
        #expect(Set(listeners).count == 3)
        let target = TransportAddress(address: HostSockets.loopbackIPv4, port: port)
        let clients = (0..<64).map { _ in HostSockets.connected(SOCK_STREAM, to: target) }
        let perListener = listeners.map { Self.accepted([$0]) }
        defer { Self.close(clients + perListener.flatMap { $0 }) }
        #expect(perListener.reduce(0) { $0 + $1.count } == 64)
        #expect(perListener.count { !$0.isEmpty } > 1)
    }

    @Test(arguments: [1, 2, 5], [1, 3])
    func `is refused a port that our own twin listens on`(count: Int, twins: Int) throws {
        let (port, listeners) = try Self.stream(nil, count: count)
        defer { Self.close(listeners) }
        for address in [nil, HostSockets.loopbackIPv4, HostSockets.loopbackIPv6] {
            let failure = #expect(throws: HostFailure.self) {
                Self.close(try Listener.stream(address: address, port: port, count: twins))
            }
            #expect(failure?.errno == EADDRINUSE)
        }
    }

    @Test func `is refused a port that another process listens on`() async throws {
        let (port, listeners) = try Self.stream(HostSockets.loopbackIPv4, count: 2)
        defer { Self.close(listeners) }
        await #expect(processExitsWith: .exitCode(98)) { [port = port as UInt16] in
            do throws(HostFailure) {
                _ = try Listener.stream(address: HostSockets.loopbackIPv4, port: port, count: 2)
                exit(0)
            } catch {
                exit(error.errno)
            }
        }
    }

    @Test func `takes its port again at once after connections were served on it`() throws {
        let (port, listeners) = try Self.stream(HostSockets.loopbackIPv4, count: 2)
        let target = TransportAddress(address: HostSockets.loopbackIPv4, port: port)
        let client = HostSockets.connected(SOCK_STREAM, to: target)
        // The server's end closes first, so that it is the one that stays in TIME-WAIT.
        Self.close(Self.accepted(listeners))
        Self.close(listeners + [client])
        let again = try Listener.stream(address: HostSockets.loopbackIPv4, port: port, count: 2)
        Self.close(again)
    }

    @Test func `listens on both families when no address is given`() throws {
        let (port, listeners) = try Self.stream(nil, count: 2)
        let clients = [HostSockets.loopbackIPv4, HostSockets.loopbackIPv6].map {
            HostSockets.connected(SOCK_STREAM, to: TransportAddress(address: $0, port: port))
        }
        let accepted = Self.accepted(listeners)
        defer { Self.close(listeners + clients + accepted) }
        // A client is shown in its own family, however it came in.
        let peers = Set(accepted.compactMap { SocketAddress.peer(of: $0)?.address })
        #expect(peers == [HostSockets.loopbackIPv4, HostSockets.loopbackIPv6])
    }

    @Test func `leaves the other family to others when an address is given`() throws {
        let (port, listeners) = try Self.stream(IPAddress(high: 0, low: 0), count: 1)
        defer { Self.close(listeners) }
        let probe = HostSockets.open(SOCK_STREAM, ipv4: true)
        defer { Self.close([probe]) }
        let target = TransportAddress(address: HostSockets.loopbackIPv4, port: port)
        #expect(HostSockets.connect(probe, to: target) == ECONNREFUSED)
        let other = try Listener.stream(address: HostSockets.loopbackIPv4, port: port, count: 1)
        Self.close(other)
    }

    @Test func `gives descriptors that do not block and that no child inherits`() throws {
        let (_, listeners) = try Self.stream(HostSockets.loopbackIPv4, count: 2)
        let (_, datagram) = try Self.datagram(HostSockets.loopbackIPv4)
        for descriptor in listeners + [datagram] {
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
        }
        Self.close(listeners + [datagram])
    }

    @Test func `says what failed and why`() {
        // An address that no interface has (RFC 5737).
        let foreign = IPAddress(IPv4Address(192, 0, 2, 77))
        let failure = #expect(throws: HostFailure.self) {
            Self.close(try Listener.stream(address: foreign, port: 9, count: 1))
        }
        #expect(failure == HostFailure("bind", errno: EADDRNOTAVAIL))
        #expect(failure?.description == "bind: Cannot assign requested address")
    }

    @Test func `is refused a datagram port that our own twin has`() throws {
        let (port, descriptor) = try Self.datagram(nil)
        defer { Self.close([descriptor]) }
        for address in [nil, HostSockets.loopbackIPv4, HostSockets.loopbackIPv6] {
            let failure = #expect(throws: HostFailure.self) {
                Self.close([try Listener.datagram(address: address, port: port)])
            }
            #expect(failure?.errno == EADDRINUSE)
        }
    }

    @Test func `holds a datagram port of both families by a socket for each`() throws {
        let (port, ipv4) = try Self.datagram(IPAddress(IPv4Address(rawValue: 0)))
        let ipv6 = try Listener.datagram(address: IPAddress(high: 0, low: 0), port: port)
        defer { Self.close([ipv4, ipv6]) }
        for (descriptor, isIPv4) in [(ipv4, true), (ipv6, false)] {
            let target = TransportAddress(address: HostSockets.loopback(isIPv4), port: port)
            let client = HostSockets.connected(SOCK_DGRAM, to: target)
            HostSockets.send([isIPv4 ? 4 : 6], to: client)
            #expect(HostSockets.waitReadable(descriptor))
            #expect(HostSockets.receive(descriptor).octets == [isIPv4 ? 4 : 6])
            Self.close([client])
        }
    }
}
