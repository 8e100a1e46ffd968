import Glibc
import RingwayWire
import Testing

@testable import Ringway

/// Attacks of one guest on another through the switch.
@Suite(
    "The switch and a hostile neighbour",
    .enabled(if: KernelFeatures.probe()[0].present && KernelFeatures.probe()[2].present))
struct NeighborAttackTests {
    private let network: VirtualNetwork
    private let attacker: Player
    private let victim: Player

    init() throws {
        var configuration = VirtualNetwork.Configuration()
        configuration.nameServers = [TransportAddress(address: IPAddress(IPv4Address(127, 0, 0, 1)), port: 9)]
        configuration.shards = 1
        configuration.limits.poolBytesPerShard = 16 << 20
        network = try VirtualNetwork(configuration)
        attacker = try Player(network, 1)
        victim = try Player(network, 2)
    }

    private func expect(_ counter: String, _ count: Int, of guest: Guest? = nil) throws {
        let id = (guest ?? attacker.guest).id
        for _ in 0..<6_000 {
            if network.statistics(of: id)?[counter] == count { return }
            usleep(5_000)
        }
        Issue.record("\(counter) is \(network.statistics(of: id)?[counter] ?? -1), not \(count)")
    }

    private var prefix: UInt64 { network.plan.ipv6Prefix.high }

    /// A neighbour solicitation from the unspecified address, to the solicited-node group.
    private func probe(for target: IPv6Address, by player: Player) -> [UInt8] {
        let group = target.solicitedNodeMulticast
        return Frames.message(135, to: .multicast(group), group, from: player.guest.mac, .unspecified, target: target)
    }

    // MARK: Probes

    @Test func `shows neighbours no probe for an IPv6 address that the sender may not have`() throws {
        defer { network.stop() }
        let chosen = IPv6Address(high: prefix, low: 0x77)
        let own = IPv6Address(high: 0xFE80 << 48, low: attacker.guest.ipv6.low)
        victim.send(probe(for: chosen, by: victim))
        #expect(attacker.receive() != nil)
        let foreign = [chosen, victim.guest.ipv6, IPv6Address(high: 0xFE80 << 48, low: victim.guest.ipv6.low)]
        for target in foreign { attacker.send(probe(for: target, by: attacker)) }
        try expect("neighborProbesRefused", 3)
        // The gateway defends its own address.
        attacker.send(probe(for: network.plan.gatewayIPv6, by: attacker))
        try expect("neighborProbesRefused", 4)
        try expect("neighborAnswers", 1)
        let honest = probe(for: own, by: attacker)
        attacker.send(honest)
        #expect(victim.receive() == honest)
        #expect(victim.isQuiet)
    }

    @Test func `shows neighbours no probe by ARP for another's address`() throws {
        defer { network.stop() }
        func probe(for target: IPv4Address) -> [UInt8] {
            Frames.addressRequest(
                for: target, from: attacker.guest.mac, sender: attacker.guest.mac, .unspecified)
        }
        attacker.send(probe(for: victim.guest.ipv4))
        attacker.send(probe(for: IPv4Address(192, 168, 127, 99)))
        try expect("neighborProbesRefused", 2)
        attacker.send(probe(for: attacker.guest.ipv4))
        #expect(victim.receive() == probe(for: attacker.guest.ipv4))
        #expect(victim.isQuiet)
    }

    @Test func `lets a guest without an address send only what obtains one`() throws {
        defer { network.stop() }
        attacker.send(
            Frames.message(
                136, to: victim.guest.mac, victim.guest.ipv6, from: attacker.guest.mac, .unspecified,
                target: attacker.guest.ipv6))
        attacker.send(
            Frames.message(
                128, to: victim.guest.mac, victim.guest.ipv6, from: attacker.guest.mac, .unspecified,
                target: attacker.guest.ipv6))
        try expect("droppedSpoofedSource", 2)
        #expect(victim.isQuiet)
    }

    // MARK: Addresses made of ethernet addresses

    @Test func `gives a new machine the addresses of its ethernet address, even if another guest had them`() throws {
        defer { network.stop() }
        let mac = MACAddress(rawValue: 0x5254_0000_0003)
        let addresses = [prefix, 0xFE80 << 48].map {
            IPv6Address(prefix: IPv6Address(high: $0, low: 0), interfaceIdentifierFrom: mac)
        }
        func echo(from player: Player, _ address: IPv6Address) -> [UInt8] {
            Frames.message(
                128, to: victim.guest.mac, victim.guest.ipv6, from: player.guest.mac, address,
                target: victim.guest.ipv6)
        }
        for address in addresses {
            attacker.send(echo(from: attacker, address))
            #expect(victim.receive() != nil)
        }
        let late = try Player(network, 3)
        try expect("addressesRevoked", 2)
        for (index, address) in addresses.enumerated() {
            attacker.send(echo(from: attacker, address))
            try expect("droppedSpoofedSource", index + 1)
            late.send(echo(from: late, address))
            #expect(victim.receive() == echo(from: late, address))
        }
        try expect("droppedSpoofedSource", 0, of: late.guest)
    }

    // MARK: What configures hosts

    @Test func `stops what only gateways send, of either family`() throws {
        defer { network.stop() }
        attacker.send(
            Frames.datagram(
                to: .broadcast, .broadcast, from: attacker.guest.mac, attacker.guest.ipv4, port: 68))
        attacker.send(dhcpv6(to: victim.guest.mac, victim.guest.ipv6, port: 546))
        attacker.send(dhcpv6(to: .multicast(.allNodes), .allNodes, port: 546))
        try expect("neighborFramesRefused", 3)
        for type: UInt8 in [5, 9] {
            attacker.send(
                Frames.icmp(
                    type, to: victim.guest.mac, victim.guest.ipv4, from: attacker.guest.mac, attacker.guest.ipv4))
        }
        for type: UInt8 in [134, 137, 130] {
            attacker.send(
                Frames.message(
                    type, to: .multicast(.allNodes), .allNodes, from: attacker.guest.mac, attacker.guest.ipv6,
                    target: victim.guest.ipv6))
        }
        try expect("neighborFramesRefused", 8)
        // A client's messages go to the gateway only, and are not counted as violations.
        attacker.send(Frames.addressMessage(.discover, from: attacker.guest.mac))
        attacker.send(dhcpv6(to: .multicast(.allNodes), .allNodes, port: 547))
        attacker.send(
            Frames.datagram(to: victim.guest.mac, victim.guest.ipv4, from: attacker.guest.mac, attacker.guest.ipv4))
        #expect(victim.receive()?.count == Frames.headers + 128)
        #expect(victim.isQuiet)
        try expect("neighborFramesRefused", 8)
    }

    /// CVE-2020-13401 (Docker): a container told its neighbours that it was their router.
    @Test func `shows neighbours no claim of the gateway's or the host's addresses`() throws {
        defer { network.stop() }
        let plan = network.plan
        let own = attacker.guest.mac
        func claim(_ address: IPv4Address, to mac: MACAddress, by sender: MACAddress) -> [UInt8] {
            Frames.make(to: mac, from: own, etherType: EtherType.arp, 28) { base in
                ARPFields(
                    operation: 2, senderMAC: sender, senderIP: address, targetMAC: victim.guest.mac,
                    targetIP: victim.guest.ipv4
                ).write(to: base)
            }
        }
        for address in [plan.gatewayIPv4, plan.hostIPv4] {
            attacker.send(claim(address, to: victim.guest.mac, by: own))
            attacker.send(claim(address, to: .broadcast, by: own))
        }
        attacker.send(claim(attacker.guest.ipv4, to: victim.guest.mac, by: plan.gatewayMAC))
        for target in [plan.gatewayIPv6, plan.gatewayLinkLocal, plan.hostIPv6] {
            attacker.send(
                Frames.message(
                    136, to: victim.guest.mac, victim.guest.ipv6, from: own, attacker.guest.ipv6, target: target))
            attacker.send(
                Frames.message(
                    136, to: .multicast(.allNodes), .allNodes, from: own, attacker.guest.ipv6, target: target))
        }
        try expect("droppedSpoofedSource", 11)
        let honest = claim(attacker.guest.ipv4, to: victim.guest.mac, by: own)
        attacker.send(honest)
        #expect(victim.receive() == honest)
        #expect(victim.isQuiet)
    }

    private func dhcpv6(to mac: MACAddress, _ destination: IPv6Address, port: UInt16) -> [UInt8] {
        Frames.make(to: mac, from: attacker.guest.mac, etherType: EtherType.ipv6, 40 + 8 + 16) { base in
            IPv6Fields(
                source: attacker.guest.ipv6, destination: destination, nextHeader: IPProtocol.udp, payloadLength: 24,
                hopLimit: 64
            ).write(to: base)
            UDPFields(sourcePort: 547, destinationPort: port, payloadLength: 16).write(to: base + 40)
        }
    }

    // MARK: Fragments

    private func fragment(
        _ number: UInt16, at offset: Int, more: Bool, port: UInt16, broadcast: Bool = false,
        protocolNumber: UInt8 = IPProtocol.udp
    ) -> [UInt8] {
        Frames.make(
            to: broadcast ? .broadcast : victim.guest.mac, from: attacker.guest.mac, etherType: EtherType.ipv4, 20 + 64
        ) { base in
            IPv4Fields(
                source: attacker.guest.ipv4, destination: broadcast ? .broadcast : victim.guest.ipv4,
                protocolNumber: protocolNumber, payloadLength: 64, identification: number, dontFragment: false,
                moreFragments: more, fragmentOffset: offset
            ).write(to: base)
            if offset == 0 {
                UDPFields(sourcePort: 67, destinationPort: port, payloadLength: 120).write(to: base + 20)
            }
        }
    }

    @Test func `judges fragments by the first one of their datagram`() throws {
        defer { network.stop() }
        for (number, broadcast) in [(UInt16(1), false), (2, true)] {
            attacker.send(fragment(number, at: 0, more: true, port: 68, broadcast: broadcast))
            attacker.send(fragment(number, at: 64, more: false, port: 68, broadcast: broadcast))
        }
        try expect("neighborFragmentsRefused", 4)
        // Without a first fragment, the protocol is unknown: dropped unless it does not matter.
        attacker.send(fragment(3, at: 64, more: false, port: 0))
        try expect("neighborFragmentsRefused", 5)
        let segment = fragment(3, at: 64, more: false, port: 0, protocolNumber: IPProtocol.tcp)
        attacker.send(segment)
        #expect(victim.receive() == segment)
        // A second first fragment changes nothing, whichever of the two is harmless.
        attacker.send(fragment(4, at: 0, more: true, port: 9))
        #expect(victim.receive() != nil)
        attacker.send(fragment(4, at: 0, more: true, port: 68))
        attacker.send(fragment(4, at: 0, more: true, port: 9))
        attacker.send(fragment(4, at: 64, more: false, port: 9))
        try expect("neighborFragmentsRefused", 8)
        for (offset, more) in [(0, true), (64, false)] {
            let part = fragment(5, at: offset, more: more, port: 9)
            attacker.send(part)
            #expect(victim.receive() == part)
        }
        #expect(victim.isQuiet)
    }

    /// An IPv6 fragment that starts with extension headers and has `count` bytes of data.
    private func fragment6(
        _ number: UInt32, nextHeader: UInt8, at offset: Int = 0, more: Bool = true, _ data: [UInt8]
    ) -> [UInt8] {
        Frames.make(to: victim.guest.mac, from: attacker.guest.mac, etherType: EtherType.ipv6, 48 + data.count) {
            base in
            IPv6Fields(
                source: attacker.guest.ipv6, destination: victim.guest.ipv6, nextHeader: IPProtocol.fragment,
                payloadLength: 8 + data.count, hopLimit: 255
            ).write(to: base)
            IPv6ExtensionHeaders.Fragment(offset: offset, more: more, identification: number)
                .write(to: base + 40, nextHeader: nextHeader)
            (base + 48).copyMemory(from: data, byteCount: data.count)
        }
    }

    @Test func `passes no neighbour discovery and no DHCPv6 in fragments, behind other headers or not`() throws {
        defer { network.stop() }
        let rest = [UInt8](repeating: 0, count: 16)
        let answer: [UInt8] = [2, 35, 2, 34, 0, 200, 0, 0] + rest
        // Destination options, six bytes of padding; then the next header.
        func options(_ next: UInt8) -> [UInt8] { [next, 0, 1, 4, 0, 0, 0, 0] }
        let udp = IPProtocol.udp
        let icmpv6 = IPProtocol.icmpv6
        let firsts: [(UInt8, [UInt8])] = [
            (icmpv6, [134, 0, 0, 0, 0, 0, 0, 0] + rest), (icmpv6, [136, 0, 0, 0, 0, 0, 0, 0] + rest),
            (icmpv6, [135, 0, 0, 0, 0, 0, 0, 0] + rest), (udp, answer),
            (IPProtocol.destinationOptions, options(udp) + answer),
            (IPProtocol.destinationOptions, options(icmpv6) + [137, 0, 0, 0, 0, 0, 0, 0] + rest),
            // An incomplete chain of headers.
            (IPProtocol.destinationOptions, options(udp)),
            // A fragment in a fragment.
            (IPProtocol.fragment, [udp, 0, 0, 1, 0, 0, 0, 9] + answer),
        ]
        for (index, first) in firsts.enumerated() {
            attacker.send(fragment6(UInt32(index), nextHeader: first.0, first.1))
            // The next header of a later fragment is ignored.
            attacker.send(fragment6(UInt32(index), nextHeader: IPProtocol.tcp, at: 24, more: false, rest))
        }
        try expect("neighborFragmentsRefused", 2 * firsts.count)
        let echo = fragment6(100, nextHeader: icmpv6, [128, 0, 0, 0, 0, 0, 0, 0] + rest)
        attacker.send(echo)
        #expect(victim.receive() == echo)
        #expect(victim.isQuiet)
    }
}
