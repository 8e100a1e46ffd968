import CRingway
import Glibc
import RingwayModel
import Testing

import struct RingwaySystem.SystemError

@testable import RingwayEngine

@Suite("Listener", .tags(.kernel), .serialized)
struct ListenerTests {
    /// Listens on a free port; another process may take it first, so several are tried.
    private static func stream(_ address: IPAddress?) throws(SystemError) -> (port: UInt16, descriptor: Int32) {
        for _ in 0..<20 {
            let port = HostSockets.freePort()
            do throws(SystemError) {
                return (port, try Listener.stream(address: address, port: port))
            } catch {
                guard error.errno == EADDRINUSE else { throw error }
            }
        }
        throw SystemError("bind", errno: EADDRINUSE)
    }

    private static func datagram(_ address: IPAddress?) throws(SystemError) -> (port: UInt16, descriptor: Int32) {
        for _ in 0..<20 {
            let port = HostSockets.freePort()
            do throws(SystemError) {
                return (port, try Listener.datagram(address: address, port: port))
            } catch {
                guard error.errno == EADDRINUSE else { throw error }
            }
        }
        throw SystemError("bind", errno: EADDRINUSE)
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

    /// Whether another server could bind the port, by any means.
    private static func isFree(
        _ port: UInt16, _ type: __socket_type = SOCK_STREAM, families: [Bool] = [true, false]
    ) -> Bool {
        [SO_REUSEADDR, SO_REUSEPORT].contains { option in
            families.contains { ipv4 in
                let thief = HostSockets.open(type, ipv4: ipv4)
                defer { close([thief]) }
                _ = ringway_set_option(thief, SOL_SOCKET, option, 1)
                let address = TransportAddress(address: HostSockets.loopback(ipv4), port: port)
                return HostSockets.bind(thief, to: address) == 0 && (type == SOCK_DGRAM || listen(thief, 1) == 0)
            }
        }
    }

    @Test func `is refused a port that our own twin listens on`() throws {
        let (port, listener) = try Self.stream(nil)
        defer { Self.close([listener]) }
        for address in [nil, HostSockets.loopbackIPv4, HostSockets.loopbackIPv6] {
            let failure = #expect(throws: SystemError.self) {
                Self.close([try Listener.stream(address: address, port: port)])
            }
            #expect(failure?.errno == EADDRINUSE)
        }
    }

    @Test func `is refused a port that another process listens on`() async throws {
        let (port, listener) = try Self.stream(HostSockets.loopbackIPv4)
        defer { Self.close([listener]) }
        await #expect(processExitsWith: .exitCode(98)) { [port = port as UInt16] in
            do throws(SystemError) {
                _ = try Listener.stream(address: HostSockets.loopbackIPv4, port: port)
                exit(0)
            } catch {
                exit(error.errno)
            }
        }
    }

    @Test func `takes its port again at once after connections were served on it`() throws {
        let (port, listener) = try Self.stream(HostSockets.loopbackIPv4)
        let target = TransportAddress(address: HostSockets.loopbackIPv4, port: port)
        let client = HostSockets.connected(SOCK_STREAM, to: target)
        // The server's end closes first, so that it stays in TIME-WAIT.
        Self.close(Self.accepted([listener]))
        Self.close([listener, client])
        let again = try Listener.stream(address: HostSockets.loopbackIPv4, port: port)
        Self.close([again])
        let resting = try Listener.restingStream(address: HostSockets.loopbackIPv4, port: port)
        defer { Self.close([resting]) }
        #expect(!Self.isFree(port, families: [true]), "although connections have ended there")
    }

    @Test func `refuses at rest, keeps its port from others, and listens again`() throws {
        let (port, listener) = try Self.stream(nil)
        defer { Self.close([listener]) }
        for round in 0..<3 {
            for ipv4 in [true, false] {
                let target = TransportAddress(address: HostSockets.loopback(ipv4), port: port)
                let client = HostSockets.connected(SOCK_STREAM, to: target)
                let accepted = Self.accepted([listener])
                #expect(accepted.count == 1)
                // One connection stays open, the others are closed by the server first.
                if round > 0 || ipv4 { Self.close(accepted) }
                Self.close([client])
            }
            Listener.rest(listener)
            #expect(!Self.isFree(port))
            for ipv4 in [true, false] {
                let probe = HostSockets.open(SOCK_STREAM, ipv4: ipv4)
                defer { Self.close([probe]) }
                let target = TransportAddress(address: HostSockets.loopback(ipv4), port: port)
                #expect(HostSockets.connect(probe, to: target) == ECONNREFUSED)
            }
            try Listener.listen(listener)
            #expect(!Self.isFree(port))
        }
    }

    @Test func `resets those that wait to be accepted when it rests`() throws {
        let (port, listener) = try Self.stream(HostSockets.loopbackIPv4)
        defer { Self.close([listener]) }
        let client = HostSockets.connected(
            SOCK_STREAM, to: TransportAddress(address: HostSockets.loopbackIPv4, port: port))
        defer { Self.close([client]) }
        Listener.rest(listener)
        #expect(HostSockets.receive(client).errno == ECONNRESET)
    }

    @Test(arguments: [true, false])
    func `keeps a datagram port at rest and awake, and refuses at rest`(ipv4: Bool) throws {
        let address = HostSockets.loopback(ipv4)
        var (port, descriptor) = try Self.datagram(address)
        defer { Self.close([descriptor]) }
        let target = TransportAddress(address: address, port: port)
        for _ in 0..<3 {
            try Listener.restDatagram(descriptor)
            #expect(!Self.isFree(port, SOCK_DGRAM, families: [ipv4]))
            let client = HostSockets.connected(SOCK_DGRAM, to: target)
            defer { Self.close([client]) }
            HostSockets.send([1], to: client)
            #expect(HostSockets.receive(client).errno == ECONNREFUSED)
            descriptor = try Listener.wakeDatagram(descriptor, address: address, port: port)
            #expect(!Self.isFree(port, SOCK_DGRAM, families: [ipv4]))
            HostSockets.send([2], to: client)
            #expect(HostSockets.waitReadable(descriptor))
            #expect(HostSockets.receive(descriptor).bytes == [2])
        }
    }

    @Test func `listens on both families when no address is given`() throws {
        let (port, listener) = try Self.stream(nil)
        let clients = [HostSockets.loopbackIPv4, HostSockets.loopbackIPv6].map {
            HostSockets.connected(SOCK_STREAM, to: TransportAddress(address: $0, port: port))
        }
        let accepted = Self.accepted([listener])
        defer { Self.close([listener] + clients + accepted) }
        // A client's address is in its own family.
        let peers = Set(accepted.compactMap { SocketAddress.peer(of: $0)?.address })
        #expect(peers == [HostSockets.loopbackIPv4, HostSockets.loopbackIPv6])
    }

    @Test func `leaves the other family to others when an address is given`() throws {
        let (port, listener) = try Self.stream(IPAddress(high: 0, low: 0))
        defer { Self.close([listener]) }
        let probe = HostSockets.open(SOCK_STREAM, ipv4: true)
        defer { Self.close([probe]) }
        let target = TransportAddress(address: HostSockets.loopbackIPv4, port: port)
        #expect(HostSockets.connect(probe, to: target) == ECONNREFUSED)
        let other = try Listener.stream(address: HostSockets.loopbackIPv4, port: port)
        Self.close([other])
    }

    @Test func `gives descriptors that do not block and that no child inherits`() throws {
        let (_, listener) = try Self.stream(HostSockets.loopbackIPv4)
        let (_, datagram) = try Self.datagram(HostSockets.loopbackIPv4)
        for descriptor in [listener, datagram] {
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
        }
        Self.close([listener, datagram])
    }

    @Test func `says what failed and why`() {
        // An address that no interface has (RFC 5737).
        let foreign = IPAddress(IPv4Address(192, 0, 2, 77))
        let failure = #expect(throws: SystemError.self) {
            Self.close([try Listener.stream(address: foreign, port: 9)])
        }
        #expect(failure == SystemError("bind", errno: EADDRNOTAVAIL))
        #expect(failure?.description == "bind: Cannot assign requested address")
    }

    @Test func `is refused a datagram port that our own twin has`() throws {
        let (port, descriptor) = try Self.datagram(nil)
        defer { Self.close([descriptor]) }
        for address in [nil, HostSockets.loopbackIPv4, HostSockets.loopbackIPv6] {
            let failure = #expect(throws: SystemError.self) {
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
            #expect(HostSockets.receive(descriptor).bytes == [isIPv4 ? 4 : 6])
            Self.close([client])
        }
    }
}
