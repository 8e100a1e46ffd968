import CRingway
import Glibc
import RingwayModel
import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayEngine

@Suite("Endpoint", .tags(.kernel))
struct EndpointTests {
    /// A connection over the loopback: the socket under test, and its peer.
    private static func connection() -> (own: Int32, peer: Int32) {
        let listener = HostSockets.bound(SOCK_STREAM)
        listen(listener.descriptor, 1)
        let own = StreamSocket.open(ipv4: true)
        precondition(own >= 0)
        _ = fcntl(own, F_SETFL, fcntl(own, F_GETFL) & ~O_NONBLOCK)
        precondition(HostSockets.connect(own, to: listener.address) == 0)
        let peer = accept(listener.descriptor, nil, nil)
        close(listener.descriptor)
        return (own, peer)
    }

    @Test func `ends a stream with FIN`() {
        let (own, peer) = Self.connection()
        HostSockets.send([1, 2], to: own)
        Endpoint.close(own, reset: false)
        #expect(HostSockets.receive(peer).bytes == [1, 2])
        let end = HostSockets.receive(peer)
        #expect(end.bytes.isEmpty && end.errno == 0)
        close(peer)
    }

    @Test func `ends a stream with RST when told so`() {
        let (own, peer) = Self.connection()
        Endpoint.close(own, reset: true)
        #expect(HostSockets.receive(peer).errno == ECONNRESET)
        close(peer)
    }

    @Test func `delays no send after the first and finds dead peers`() {
        for ipv4 in [true, false] {
            let descriptor = StreamSocket.open(ipv4: ipv4)
            var socket = StreamSocket(
                descriptor: descriptor, flow: Handle(slot: 0, generation: 1), mayDelay: true)
            socket.noteSend()
            #expect(HostSockets.option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY) == 0)
            socket.noteSend()
            #expect(HostSockets.option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
            #expect(HostSockets.option(descriptor, SOL_SOCKET, SO_KEEPALIVE) == 1)
            #expect(HostSockets.option(descriptor, SOL_SOCKET, SO_DOMAIN) == (ipv4 ? AF_INET : AF_INET6))
            #expect(fcntl(descriptor, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(descriptor, F_GETFD) & FD_CLOEXEC != 0)
            close(descriptor)
        }
    }

    @Test func `never delays what is sent to the client of a published port`() {
        let (client, peer) = Self.connection()
        StreamSocket.prepare(client)
        #expect(HostSockets.option(client, Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
        #expect(HostSockets.option(client, SOL_SOCKET, SO_KEEPALIVE) == 1)
        close(client)
        close(peer)
    }

    @Test func `pairs two sockets that talk to each other`() throws {
        let pair = try #require(Endpoint.pair(type: Int32(SOCK_SEQPACKET.rawValue)))
        HostSockets.send([1], to: pair.own)
        HostSockets.send([2, 3], to: pair.own)
        #expect(HostSockets.receive(pair.other).bytes == [1])
        #expect(HostSockets.receive(pair.other).bytes == [2, 3])
        #expect(HostSockets.receive(pair.other).errno == EAGAIN)
        close(pair.own)
        #expect(HostSockets.receive(pair.other).bytes.isEmpty)
        close(pair.other)
    }

    /// An ICMP echo with payload `bytes`, its checksum left to the kernel if possible (RFC 792, RFC 4443 §4.1).
    private static func echo(ipv4: Bool, identifier: UInt16, _ bytes: [UInt8]) -> [UInt8] {
        var message: [UInt8] = [
            ipv4 ? 8 : 128, 0, 0, 0, UInt8(identifier >> 8), UInt8(identifier & 0xFF), 0, 1,
        ]
        message += bytes
        guard ipv4 else { return message }
        let sum = message.withUnsafeBytes { Checksum.finish(Checksum.partial($0)) }
        withUnsafeBytes(of: sum) { message.replaceSubrange(2..<4, with: $0) }
        return message
    }

    @Test(arguments: [true, false])
    func `a raw socket gets the replies to its own block of identifiers alone`(ipv4: Bool) throws {
        let block = try #require(EchoIdentifiers.take(atLeast: 256))
        defer { block.release() }
        var echoes = RawEchoSocket()
        // Without permission for raw sockets there is nothing to test.
        guard echoes.open(ipv4: ipv4, block) else { return }
        defer { close(echoes.relinquish()) }
        let target = TransportAddress(address: HostSockets.loopback(ipv4), port: 0)
        let foreign = block.first ^ 0x8000
        let own = try #require(block.identifier(ofSlot: 200))
        for (identifier, payload) in [(foreign, 1), (own, 2), (foreign, 3), (own, 4)] as [(UInt16, UInt8)] {
            let request = Self.echo(ipv4: ipv4, identifier: identifier, [payload])
            #expect(ControlMessageTests.send(request, from: echoes.descriptor, to: target) == request.count)
        }
        for payload in [2, 4] as [UInt8] {
            #expect(ControlMessageTests.receive(echoes.descriptor).bytes.last == payload)
        }
    }

    @Test(arguments: [true, false])
    func `pings the loopback with what the machine allows`(ipv4: Bool) throws {
        let descriptor = DatagramSocket.openPing(ipv4: ipv4)
        try #require(descriptor >= 0 || descriptor == -EPERM || descriptor == -EACCES)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let target = TransportAddress(address: HostSockets.loopback(ipv4), port: 0)
        let request = Self.echo(ipv4: ipv4, identifier: 77, [5, 6, 7])
        #expect(ControlMessageTests.send(request, from: descriptor, to: target) == request.count)
        let reply = ControlMessageTests.receive(descriptor)
        #expect(Array(reply.bytes.suffix(3)) == [5, 6, 7])
        #expect(reply.notes.hop_limit == 64)
        #expect(reply.bytes.first == (ipv4 ? 0 : 129))
    }
}
