import CRingway
import Glibc
import RingwayWire
import Testing

@testable import Ringway

@Suite(
    "The switch between guests",
    .enabled(if: KernelFeatures.probe()[0].present && KernelFeatures.probe()[2].present))
struct SwitchTests {
    private let network: VirtualNetwork
    private let one: Player
    private let two: Player

    init() throws {
        network = try Self.makeNetwork()
        one = try Player(network, 1)
        two = try Player(network, 2)
    }

    private static func makeNetwork(isolate: Bool = false) throws -> VirtualNetwork {
        var configuration = VirtualNetwork.Configuration()
        configuration.nameServers = [TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 9)]
        configuration.shards = 1
        configuration.isolate = isolate
        configuration.limits.poolBytesPerShard = 16 << 20
        configuration.limits.addressesPerGuest = 3
        return try VirtualNetwork(configuration)
    }

    private func datagram(payload: Int = 100, port: UInt16 = 9) -> [UInt8] {
        Frames.datagram(
            to: two.guest.mac, two.guest.ipv4, from: one.guest.mac, one.guest.ipv4, port: port, payload: payload)
    }

    /// Waits until guest one's counter has a value.
    private func expect(_ counter: String, _ count: Int = 1) throws {
        for _ in 0..<6_000 {
            if network.statistics(of: one.guest.id)?[counter] == count { return }
            usleep(5_000)
        }
        Issue.record("\(counter) is \(network.statistics(of: one.guest.id)?[counter] ?? -1), not \(count)")
    }

    @Test("carries a frame whole", arguments: [1, 1_400, 20_000, 65_000])
    func carry(payload: Int) throws {
        defer { network.stop() }
        // Longer than the MTU: a super-frame of datagrams.
        var frame = datagram(payload: payload)
        if payload > 1_472 {
            frame[0] = 1
            frame[1] = 5
            frame[4...5] = [UInt8(1_000 & 0xFF), UInt8(1_000 >> 8)]
            frame[6...7] = [34, 0]
            frame[8...9] = [6, 0]
        }
        one.send(frame)
        #expect(two.receive() == frame)
        try expect("framesToNeighbors")
    }

    @Test func `delivers a frame to its destination only`() throws {
        defer { network.stop() }
        let three = try Player(network, 3)
        one.send(datagram())
        #expect(two.receive() != nil)
        #expect(three.isQuiet)
    }

    @Test func `floods a request for an address`() throws {
        defer { network.stop() }
        let three = try Player(network, 3)
        let question = Frames.addressRequest(
            for: two.guest.ipv4, from: one.guest.mac, sender: one.guest.mac, one.guest.ipv4)
        one.send(question)
        #expect(two.receive() == question)
        #expect(three.receive() == question)
        // The address's holder answers, and not the gateway.
        #expect(network.statistics()["arpAnswers"] == 0)
    }

    @Test func `leaves the gateway's own addresses to the gateway`() throws {
        defer { network.stop() }
        one.send(
            Frames.addressRequest(
                for: IPv4Address(192, 168, 127, 1), from: one.guest.mac, sender: one.guest.mac, one.guest.ipv4))
        try expect("arpAnswers")
        #expect(two.isQuiet)
    }

    @Test func `gives a guest that declines its address another one at once, and moves its ports`() throws {
        defer { network.stop() }
        let mac = one.guest.mac
        let former = one.guest.ipv4
        let port = try network.publish(
            PortForward(
                hostAddress: IPAddress(IPv4Address(127, 0, 0, 1)), hostPorts: 0...0, guestPorts: 9...9,
                transport: .udp, guest: .mac(mac)))
        one.send(Frames.addressMessage(.request, from: mac, former))
        #expect(try #require(one.receiveAddress()) == (.ack, former))
        one.send(Frames.addressMessage(.decline, from: mac, former))
        one.send(Frames.addressMessage(.discover, from: mac))
        let offer = try #require(one.receiveAddress())
        #expect(offer.type == .offer && offer.address != former && offer.address != two.guest.ipv4)
        one.send(Frames.addressMessage(.request, from: mac, offer.address))
        #expect(try #require(one.receiveAddress()) == (.ack, offer.address))
        #expect(network.guests.first?.ipv4 == offer.address)
        // It may send from the new one, and no longer from the former.
        one.send(Frames.datagram(to: two.guest.mac, two.guest.ipv4, from: mac, offer.address))
        #expect(two.receive() != nil)
        one.send(Frames.datagram(to: two.guest.mac, two.guest.ipv4, from: mac, former))
        try expect("droppedSpoofedSource")
        try expect("dhcpDeclines")
        // Its port is forwarded to the new address.
        let client = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(client) }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = port.forward.hostPorts.lowerBound.bigEndian
        target.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        for _ in 0..<1_000 {
            _ = withUnsafePointer(to: &target) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(client, "x", 1, Int32(MSG_NOSIGNAL), $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            if let frame = one.receiveDatagram(within: 100), frame.suffix(1) == [UInt8(ascii: "x")],
                Array(frame[Frames.headers + 16..<Frames.headers + 20]) == offer.address.bytesForTest
            {
                return
            }
        }
        Issue.record("no datagram came to the new address")
    }

    @Test func `drops frames from another guest's addresses`() throws {
        defer { network.stop() }
        one.send(
            Frames.datagram(to: two.guest.mac, two.guest.ipv4, from: MACAddress(rawValue: 2), one.guest.ipv4))
        try expect("droppedSpoofedMAC")
        one.send(
            Frames.datagram(
                to: two.guest.mac, two.guest.ipv4, from: one.guest.mac, IPv4Address(192, 168, 127, 77)))
        try expect("droppedSpoofedSource")
        one.send(
            Frames.addressRequest(
                for: two.guest.ipv4, from: one.guest.mac, sender: MACAddress(rawValue: 0x5254_0000_0077),
                one.guest.ipv4))
        try expect("droppedSpoofedSource", 2)
        // Claims another guest's address.
        one.send(
            Frames.message(
                136, to: two.guest.mac, two.guest.ipv6, from: one.guest.mac, one.guest.ipv6, target: two.guest.ipv6))
        try expect("droppedSpoofedSource", 3)
        #expect(two.isQuiet)
    }

    @Test func `bounds a guest's IPv6 addresses`() throws {
        defer { network.stop() }
        for number: UInt64 in 1...5 {
            one.send(
                Frames.message(
                    128, to: two.guest.mac, two.guest.ipv6, from: one.guest.mac,
                    IPv6Address(high: network.plan.ipv6Prefix.high, low: 0x100 + number), target: two.guest.ipv6))
        }
        try expect("droppedSpoofedSource", 2)
        try expect("framesToNeighbors", 3)
    }

    @Test func `drops router advertisements and DHCP replies of guests`() throws {
        defer { network.stop() }
        one.send(datagram(port: 68))
        one.send(
            Frames.message(
                134, to: two.guest.mac, two.guest.ipv6, from: one.guest.mac, one.guest.ipv6, target: two.guest.ipv6))
        try expect("neighborFramesRefused", 2)
        #expect(two.isQuiet)
    }

    @Test func `forgets a guest that has left`() throws {
        defer { network.stop() }
        try network.detach(two.guest.id)
        one.send(datagram())
        try expect("neighborsUnknown")
    }

    @Test func `drops what a guest that does not read cannot be given`() throws {
        defer { network.stop() }
        let frame = datagram(payload: 1_400)
        var count = 0
        while count < 200_000, (network.statistics(of: two.guest.id)?["neighborInboxFull"] ?? 0) == 0 {
            for _ in 0..<100 { one.send(retrying: frame) }
            count += 100
        }
        #expect(network.statistics(of: two.guest.id)?["neighborInboxFull"] ?? 0 > 0)
        // The gateway still answers requests for other addresses.
        one.send(
            retrying: Frames.addressRequest(
                for: IPv4Address(192, 168, 127, 1), from: one.guest.mac, sender: one.guest.mac, one.guest.ipv4))
        try expect("arpAnswers")
    }

    @Test func `forwards nothing when guests are isolated`() throws {
        network.stop()
        let network = try Self.makeNetwork(isolate: true)
        defer { network.stop() }
        let (one, two) = (try Player(network, 1), try Player(network, 2))
        one.send(Frames.datagram(to: two.guest.mac, two.guest.ipv4, from: one.guest.mac, one.guest.ipv4))
        one.send(
            Frames.addressRequest(
                for: two.guest.ipv4, from: one.guest.mac, sender: one.guest.mac, one.guest.ipv4))
        for _ in 0..<6_000 where network.statistics()["neighborsUnknown"] == 0 { usleep(5_000) }
        #expect(network.statistics()["neighborsUnknown"] == 1)
        #expect(two.isQuiet)
    }
}
