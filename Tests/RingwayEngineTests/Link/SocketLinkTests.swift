import CRingway
import Glibc
import RingwayEngine
import RingwayLinks
import RingwayRing
import RingwayWire
import Testing

/// What can go wrong on a link that is a socket.
@Suite("Links that are sockets", .tags(.kernel))
struct SocketLinkTests {
    private static let streams = Carrier.sockets.filter { $0.framing != .datagram }

    @Test("A guest that stops reading holds the host back, and nothing is lost", arguments: Carrier.sockets)
    func slowGuest(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        defer { guest.engine.stop() }
        let byteCount = 16 << 20
        let slow = try SlowGuest(guest, connections: 4, bytesEach: byteCount)
        let end = ringway_monotonic_nanoseconds() + 60_000_000_000
        var hasStopped = false
        while slow.received < 4 * byteCount, ringway_monotonic_nanoseconds() < end {
            slow.serve()
            guest.wait(milliseconds: 1)
            slow.read()
            if !hasStopped, slow.received > 4 << 20 {
                hasStopped = true
                // As long as retransmissions take to begin.
                for _ in 0..<100 {
                    slow.serve()
                    usleep(10_000)
                }
                #expect(guest.count("linkCongestions") > 0)
            }
        }
        #expect(slow.received == 4 * byteCount && slow.isEqual)
        #expect(guest.count("linkWritesDropped") == 0)
        #expect(guest.count("linkWritesFailed") == 0)
    }

    @Test("Every connection has its share of a link that is too slow for all", arguments: streams)
    func shares(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        defer { guest.engine.stop() }
        let slow = try SlowGuest(guest, connections: 100, bytesEach: 1 << 20)
        let end = ringway_monotonic_nanoseconds() + 30_000_000_000
        while slow.received < 40 << 20, ringway_monotonic_nanoseconds() < end {
            slow.serve()
            guest.wait(milliseconds: 1)
            slow.read(atMost: 64)
        }
        #expect(guest.count("linkCongestions") > 0)
        #expect(slow.least > 64 << 10)
        #expect(slow.isEqual)
    }

    @Test("A guest that dies in the middle of a frame ends its link alone", arguments: streams)
    func death(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        let server = HostEnd(SOCK_STREAM)
        let target = TransportAddress(address: IPAddress(GuestPort.host), port: server.port)
        guest.send(Frames.segment(from: 40_000, to: target, sequence: 1, [.syn]))
        try #require(guest.receiveSegment(to: 40_000) != nil)
        let client = server.accept()
        defer { close(client) }
        let frame = guest.framed(Frames.segment(from: 40_000, to: target, sequence: 2, [.ack], payload: [1, 2, 3]))
        guest.sendBytes(Array(frame.dropLast(2)))
        guest.die()
        guard case .linkLost = try #require(guest.event()) else {
            Issue.record("another event came first")
            return
        }
        // Whether receiving or sending finds out first: the engine tells at once, and counts when nothing is received.
        #expect(guest.reaches("linkFramesTruncated", 1))
        guest.engine.stop()
        #expect(HostEnd.receive(client).errno == ECONNRESET)
    }

    @Test("A length that no frame has ends the link", arguments: streams)
    func malformed(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        guest.send(Frames.addressRequest())
        #expect(guest.receive { Frames.etherType($0) == EtherType.arp } != nil)
        guest.sendBytes([0, 0, 0, 0])
        guard case .linkMalformed(length: 0) = try #require(guest.event()) else {
            Issue.record("another event came first")
            return
        }
        #expect(guest.count("linkLengthsRefused") == 1)
        guest.engine.stop()
        #expect(guest.isLinkClosed())
    }

    @Test("A guest that goes between frames is only gone", arguments: streams)
    func end(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        guest.send(Frames.addressRequest())
        try #require(guest.receive { Frames.etherType($0) == EtherType.arp } != nil)
        guest.die()
        guard case .linkLost(let errno) = try #require(guest.event()) else {
            Issue.record("another event came first")
            return
        }
        // An advertisement may be on its way at that moment: then its failure is found out first, or that nobody read it.
        #expect([0, EPIPE, ECONNRESET].contains(errno))
        #expect(guest.count("linkFramesTruncated") == 0)
        guest.engine.stop()
    }

    @Test("Frames in one write are as good as frames in many", arguments: streams)
    func gathered(carrier: Carrier) throws {
        let guest = try GuestPort(carrier)
        defer { guest.engine.stop() }
        let stream = (0..<500).flatMap { _ in guest.framed(Frames.addressRequest()) }
        var rest = stream[...]
        while !rest.isEmpty {
            let count = min(rest.count, Int.random(in: 1...5_000))
            guest.sendBytes(Array(rest.prefix(count)))
            rest = rest.dropFirst(count)
        }
        for _ in 0..<500 { try #require(guest.receive { Frames.etherType($0) == EtherType.arp } != nil) }
        #expect(guest.count("framesFromGuest") == 500)
    }
}
