import CRingway
import Glibc
import RingwayEngine
import RingwayModel
import RingwayRing
import RingwayWire
import Testing

/// Whole shards on real rings and sockets; only the guest is simulated.
@Suite("Engine", .tags(.kernel))
struct EngineTests {
    private static func hostAddress(_ port: UInt16) -> TransportAddress {
        TransportAddress(address: IPAddress(GuestPort.host), port: port)
    }

    /// Opens a connection of the guest; returns the next sequence numbers of both sides.
    private static func connect(
        _ guest: GuestPort, from port: UInt16, to target: TransportAddress, queue: Int = 0
    ) throws -> (guest: UInt32, host: UInt32) {
        guest.send(Frames.segment(from: port, to: target, sequence: 100, [.syn]), queue: queue)
        let answer = try #require(guest.receiveSegment(to: port))
        try #require(answer.flags.isSuperset(of: [.syn, .ack]) && answer.acknowledgement == 101)
        let next = answer.sequence &+ 1
        guest.send(
            Frames.segment(from: port, to: target, sequence: 101, acknowledgement: next, [.ack]), queue: queue)
        return (101, next)
    }

    @Test(arguments: Carrier.all, [(1, true), (2, true), (3, true), (1, false), (2, false)])
    func `answers for the gateway on whichever queue it is asked`(
        carrier: Carrier, engine: (shards: Int, usesMultishotRead: Bool)
    ) throws {
        let shards = engine.shards
        let guest = try GuestPort(carrier, shards: shards, usesMultishotRead: engine.usesMultishotRead)
        defer { guest.engine.stop() }
        for queue in 0..<shards {
            // More than the number of reads in flight.
            for _ in 0..<20 {
                guest.send(Frames.addressRequest(), queue: queue)
                let answer = try #require(guest.receive { Frames.etherType($0) == EtherType.arp })
                #expect(Array(answer[12..<18]) == [0x52, 0x55, 0, 0, 0, 2])
                #expect(Array(answer[40..<44]) == [192, 168, 127, 1])
            }
        }
        #expect(guest.count("framesFromGuest") == 20 * shards)
        #expect(guest.reaches("framesHandedOver", 20 * (shards - 1)))
        #expect(guest.count("arpAnswers") == 20 * shards)
    }

    @Test(arguments: Carrier.all, [1, 2])
    func `carries a stream both ways, and its end`(carrier: Carrier, shards: Int) throws {
        let guest = try GuestPort(carrier, shards: shards)
        defer { guest.engine.stop() }
        let server = HostEnd(SOCK_STREAM)
        let target = Self.hostAddress(server.port)
        for port: UInt16 in 40_000..<40_008 {
            let queue = Int(port) % shards
            let next = try Self.connect(guest, from: port, to: target, queue: queue)
            let client = server.accept()
            try #require(client >= 0)
            guest.send(
                Frames.segment(
                    from: port, to: target, sequence: next.guest, acknowledgement: next.host, [.ack, .psh],
                    payload: Array("question".utf8)), queue: queue)
            #expect(HostEnd.receive(client).bytes == Array("question".utf8))
            #expect(write(client, "answer", 6) == 6)
            let answer = try #require(guest.receiveSegment(to: port) { _, payload in payload > 0 })
            #expect(answer.payload == Array("answer".utf8))
            #expect(answer.sequence == next.host)
            close(client)
            let end = try #require(guest.receiveSegment(to: port) { header, _ in header.flags.contains(.fin) })
            #expect(end.sequence == next.host &+ 6)
        }
        #expect(guest.count("tcpOpenedByGuest") == 8)
    }

    @Test(arguments: Carrier.all)
    func `refuses what the host refuses`(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        defer { guest.engine.stop() }
        let port = HostEnd.freePort()
        guest.send(Frames.segment(from: 41_000, to: Self.hostAddress(port), sequence: 7, [.syn]))
        let answer = try #require(guest.receiveSegment(to: 41_000))
        #expect(answer.flags.contains(.rst) && answer.acknowledgement == 8)
    }

    @Test(arguments: Carrier.devices) func `passes a reset of the guest's on to the host`(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        defer { guest.engine.stop() }
        let server = HostEnd(SOCK_STREAM)
        let target = Self.hostAddress(server.port)
        let next = try Self.connect(guest, from: 42_000, to: target)
        let client = server.accept()
        defer { close(client) }
        guest.send(Frames.segment(from: 42_000, to: target, sequence: next.guest, [.rst]))
        #expect(HostEnd.receive(client).errno == ECONNRESET)
    }

    @Test(arguments: Carrier.all, [1, 2])
    func `carries datagrams both ways from one port of the host's`(carrier: Carrier, shards: Int) throws {
        let guest = try GuestPort(carrier, shards: shards)
        defer { guest.engine.stop() }
        let server = HostEnd(SOCK_DGRAM)
        for number in UInt8(0)..<10 {
            guest.send(
                Frames.datagram(from: 5_000, to: Self.hostAddress(server.port), payload: [number, 1, 2]),
                queue: Int(number) % shards)
            #expect(server.echoDatagram() == [number, 1, 2])
            let answer = try #require(
                guest.receive { Frames.etherType($0) == EtherType.ipv4 && $0[Frames.network + 9] == IPProtocol.udp })
            #expect(Array(answer.suffix(3)) == [number, 1, 2])
            #expect(Array(answer[Frames.network + 12..<Frames.network + 16]) == [192, 168, 127, 254])
        }
        #expect(guest.count("udpMappingsOpened") == 1)
    }

    @Test(arguments: Carrier.devices) func `counts frames that it cannot parse, and continues`(carrier: Carrier) throws
    {
        let guest = try GuestPort(carrier)
        defer { guest.engine.stop() }
        for length in [1, 11, 12, 25] { guest.send([UInt8](repeating: 0, count: length)) }
        guest.send(Frames.addressRequest())
        #expect(guest.receive { Frames.etherType($0) == EtherType.arp } != nil)
        let refused = guest.engine.snapshot().filter { $0.name.hasPrefix("refused.") }.reduce(0) { $0 + $1.value }
        #expect(refused == 4)
    }

    @Test(arguments: Carrier.devices) func `publishes a port once, and gives it up again`(carrier: Carrier) throws {
        let guest = try GuestPort(carrier, shards: 2)
        let twin = try GuestPort(carrier, shards: 2)
        defer {
            guest.engine.stop()
            twin.engine.stop()
        }
        let port = HostEnd.freePort()
        let sockets = try Self.publish([Self.order(port, forward: 1)], by: guest)
        #expect(throws: HostListenFailure(errno: EADDRINUSE, port: port, forward: 2)) {
            try Self.publish([Self.order(port, forward: 2)], by: twin)
        }
        guest.engine.unlisten(forwards: [1])
        PortSockets.close(sockets)
        PortSockets.close(try Self.publish([Self.order(port, forward: 3)], by: twin, lasting: false))
    }

    @Test(arguments: Carrier.devices, [1, 2])
    func `has the same socket listen, rest, and listen for the next guest`(carrier: Carrier, shards: Int) throws {
        let port = HostEnd.freePort()
        let orders = [Self.order(port, forward: 1), Self.order(port, forward: 1, isStream: false)]
        var sockets: [Int32] = []
        defer { PortSockets.close(sockets) }
        for round in 0..<3 {
            let guest = try GuestPort(carrier, shards: shards)
            if round == 0 {
                sockets = try PortSockets.open(orders)
            } else {
                try PortSockets.wake(orders, &sockets)
            }
            guest.engine.listen(orders, on: sockets)
            let client = try HostEnd.connect(to: port)
            try #require(guest.receiveSegment(to: 80) != nil)
            guest.engine.stop()
            PortSockets.rest(orders, &sockets)
            close(client)
            #expect(throws: HostListenFailure.self) { try PortSockets.open([orders[0]]) }
            #expect(throws: HostListenFailure.self) { try PortSockets.open([orders[1]]) }
        }
    }

    @Test(arguments: Carrier.devices)
    func `gives up the ports of the forwards that are named, and no others`(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        let twin = try GuestPort(carrier)
        defer {
            guest.engine.stop()
            twin.engine.stop()
        }
        let ports = (0..<4).map { _ in HostEnd.freePort() }
        let sockets = try Self.publish(
            ports.enumerated().map { Self.order($1, forward: UInt32($0), isStream: $0 < 3) }, by: guest)
        guest.engine.unlisten(forwards: [0, 2, 3])
        PortSockets.close([sockets[0], sockets[2], sockets[3]])
        let others = try Self.publish(
            [
                Self.order(ports[0], forward: 9), Self.order(ports[2], forward: 9),
                Self.order(ports[3], forward: 9, isStream: false),
            ], by: twin)
        #expect(throws: HostListenFailure.self) { try Self.publish([Self.order(ports[1], forward: 9)], by: twin) }
        // The other forward continues to work.
        let client = try HostEnd.connect(to: ports[1])
        defer { close(client) }
        #expect(guest.receiveSegment(to: 80) != nil)
        twin.engine.unlisten(forwards: [9])
        guest.engine.unlisten(forwards: [1])
        PortSockets.close(others + [sockets[1]])
    }

    /// Opens ports and forwards them to the guest.
    @discardableResult
    private static func publish(
        _ orders: [ListenOrder], by guest: GuestPort, lasting: Bool = true
    ) throws(HostListenFailure) -> [Int32] {
        let sockets = try PortSockets.open(orders)
        guest.engine.listen(orders, on: sockets)
        if !lasting { guest.engine.unlisten(forwards: Set(orders.map(\.forward))) }
        return sockets
    }

    /// Publishes ports for a moment that are free, or will be soon: a program that another test starts meanwhile holds
    /// copies of all descriptors until it is executed.
    private static func publishAgain(
        _ orders: [ListenOrder], by guest: GuestPort
    ) throws(HostListenFailure) -> [Int32] {
        let end = ContinuousClock.now + .seconds(5)
        while true {
            do throws(HostListenFailure) {
                return try publish(orders, by: guest, lasting: false)
            } catch {
                guard error.errno == EADDRINUSE, ContinuousClock.now < end else { throw error }
            }
            usleep(1_000)
        }
    }

    /// A loopback port that is forwarded to the guest's port 80.
    private static func order(_ port: UInt16, forward: UInt32, isStream: Bool = true) -> ListenOrder {
        ListenOrder(
            address: IPAddress(IPv4Address(127, 0, 0, 1)), ports: port...port,
            guest: TransportAddress(address: IPAddress(GuestPort.guest), port: 80), isStream: isStream,
            forward: forward)
    }

    @Test(arguments: Carrier.devices, [1, 2])
    func `leaves no published port taken when it has stopped`(carrier: Carrier, shards: Int) throws {
        let next = try GuestPort(carrier)
        defer { next.engine.stop() }
        for round in UInt32(0)..<20 {
            let guest = try GuestPort(carrier, shards: shards)
            let port = HostEnd.freePort()
            let sockets = try Self.publish(
                [Self.order(port, forward: 1), Self.order(port, forward: 2, isStream: false)], by: guest)
            // A client that is connected to the guest, with frames handed over between shards.
            let client = try HostEnd.connect(to: port)
            defer { close(client) }
            try #require(guest.receiveSegment(to: 80) != nil)
            guest.engine.stop()
            PortSockets.close(sockets)
            let orders = [
                Self.order(port, forward: 2 * round), Self.order(port, forward: 2 * round + 1, isStream: false),
            ]
            PortSockets.close(try Self.publishAgain(orders, by: next))
        }
    }

    @Test(arguments: Carrier.all)
    func `ends every connection with a reset and closes the link when it stops`(carrier: Carrier) throws {
        let guest = try GuestPort(carrier, shards: 2)
        let server = HostEnd(SOCK_STREAM)
        _ = try Self.connect(guest, from: 43_000, to: Self.hostAddress(server.port))
        let client = server.accept()
        defer { close(client) }
        guest.engine.stop()
        #expect(HostEnd.receive(client).errno == ECONNRESET)
        #expect(guest.isLinkClosed())
    }
}
