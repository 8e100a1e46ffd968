import CRingway
import Glibc
import RingwayModel
import RingwayWire
import Testing

@testable import RingwayEngine

/// Several guests on the same shards: they come and go, and see nothing of each other but what a switch shows.
@Suite("Guests on shards", .tags(.kernel))
struct GuestsOnShardsTests {
    private static func isServed(_ guest: GuestPort) -> Bool {
        guest.send(Frames.addressRequest())
        return guest.receive { Frames.etherType($0) == EtherType.arp } != nil
    }

    /// Whether all places are free again soon: nothing of a guest is in flight any more, and no buffer is lost.
    private static func becomesEmpty(_ set: ShardSet) -> Bool {
        let end = ringway_monotonic_nanoseconds() + 30_000_000_000
        while set.placedQueues > 0, ringway_monotonic_nanoseconds() < end { usleep(1_000) }
        return set.placedQueues == 0
    }

    /// A connection of the guest's with bytes on their way to it that it does not acknowledge.
    private static func download(_ guest: GuestPort, from server: HostEnd, port: UInt16) throws -> Int32 {
        let target = TransportAddress(address: IPAddress(GuestPort.host), port: server.port)
        guest.send(Frames.segment(from: port, to: target, sequence: 100, [.syn]))
        let answer = try #require(guest.receiveSegment(to: port))
        let next = answer.sequence &+ 1
        guest.send(Frames.segment(from: port, to: target, sequence: 101, acknowledgement: next, [.ack]))
        let client = server.accept()
        try #require(client >= 0)
        #expect(write(client, "answer", 6) == 6)
        _ = try #require(guest.receiveSegment(to: port) { _, payload in payload > 0 })
        return client
    }

    @Test(arguments: Carrier.all, [1, 2])
    func `serve every guest while others come and go`(carrier: Carrier, shards: Int) throws {
        let set = try GuestPort.shards(carrier, count: shards)
        defer { set.stop() }
        let stays = try GuestPort(carrier, on: set)
        let server = HostEnd(SOCK_STREAM)
        let kept = try Self.download(stays, from: server, port: 40_000)
        defer { close(kept) }
        for round in 0..<8 {
            let guests = try (0..<3).map { _ in try GuestPort(carrier, on: set) }
            for guest in guests { #expect(Self.isServed(guest)) }
            #expect(Self.isServed(stays))
            let client = try Self.download(guests[0], from: server, port: 41_000 + UInt16(round))
            defer { close(client) }
            for guest in guests { guest.engine.stop() }
            #expect(HostEnd.receive(client).errno == ECONNRESET)
            for guest in guests { #expect(guest.isLinkClosed()) }
        }
        #expect(Self.isServed(stays))
        stays.engine.stop()
        #expect(HostEnd.receive(kept).errno == ECONNRESET)
        #expect(Self.becomesEmpty(set))
    }

    @Test(arguments: Carrier.devices, [1, 2, 3])
    func `spread the queues of a guest over the shards that there are`(carrier: Carrier, queues: Int) throws {
        let set = try GuestPort.shards(carrier, count: 2)
        defer { set.stop() }
        let guest = try GuestPort(carrier, shards: queues, on: set)
        for queue in 0..<queues {
            for _ in 0..<40 {
                guest.send(Frames.addressRequest(), queue: queue)
                #expect(guest.receive { Frames.etherType($0) == EtherType.arp } != nil)
            }
        }
        #expect(guest.reaches("framesHandedOver", 40 * (queues - 1)))
        guest.engine.stop()
        #expect(Self.becomesEmpty(set))
    }

    @Test(arguments: Carrier.all, [1, 2])
    func `hand frames over to neighbours`(carrier: Carrier, shards: Int) throws {
        let set = try GuestPort.shards(carrier, count: shards)
        defer { set.stop() }
        let (one, two) = (
            try GuestPort(carrier, on: set, neighbor: 10), try GuestPort(carrier, on: set, neighbor: 11)
        )
        one.engine.connect([two.engine])
        for count in 1...20 {
            one.send(Frames.reply(from: 10, to: 11))
            let frame = try #require(two.receive { Frames.etherType($0) == EtherType.arp })
            #expect(Array(frame[12..<18]) == GuestPort.bytes(GuestPort.mac(11)))
            #expect(Array(frame[18..<24]) == GuestPort.bytes(GuestPort.mac(10)))
            two.send(Frames.reply(from: 11, to: 10))
            #expect(one.receive { Frames.etherType($0) == EtherType.arp } != nil)
            #expect(one.reaches("framesToNeighbors", count) && one.reaches("framesFromNeighbors", count))
        }
        // One may go while the other goes on sending.
        one.engine.disconnect([two.engine])
        two.engine.stop()
        one.send(Frames.reply(from: 10, to: 11))
        #expect(one.reaches("neighborsUnknown", 1))
        one.engine.stop()
        #expect(Self.becomesEmpty(set))
    }
}

extension GuestPort {
    static func bytes(_ mac: MACAddress) -> [UInt8] {
        (0..<6).reversed().map { UInt8(truncatingIfNeeded: mac.rawValue >> (8 * UInt64($0))) }
    }
}

extension Frames {
    /// One neighbour tells another where it is.
    static func reply(from sender: UInt8, to target: UInt8) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: network + 28)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            EthernetFields(
                destination: GuestPort.mac(target), source: GuestPort.mac(sender), etherType: EtherType.arp
            ).write(to: base + VirtioNetHeader.length)
            ARPFields(
                operation: 2, senderMAC: GuestPort.mac(sender), senderIP: GuestPort.address(sender),
                targetMAC: GuestPort.mac(target), targetIP: GuestPort.address(target)
            ).write(to: base + network)
        }
        return frame
    }
}
