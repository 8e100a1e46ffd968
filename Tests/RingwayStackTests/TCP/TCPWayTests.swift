import RingwayModel
import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// The properties of the guest's packets that a host connection takes over: hop limit, traffic class and source port.
@Suite("Hop limit, traffic class and source port of a connection")
struct TCPWayTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer(net)
    }

    // MARK: Class

    @Test(arguments: ["198.51.100.7:80", "[2001:db8::7]:80"])
    func `the class of a SYN is the connect's, without ECN`(_ remote: String) throws {
        let peer = try TCPPeer(net, to: remote)
        peer.trafficClass = 0xB8 | 0x02
        peer.send(.syn, seq: 100)
        #expect(net.effects.first?.trafficClass == 0xB8)
        #expect(net.effects.first?.hopLimit == 63)
        #expect(net.effects.first?.sourcePort == 40_000)
    }

    @Test func `a traffic class that changes is passed on once`() throws {
        let peer = try TCPPeer.established(net)
        peer.trafficClass = 0x01
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        net.expectEffect(.sendStream)
        peer.trafficClass = 0x48 | 0x03
        peer.send(.ack, seq: 102, ack: 1, payload: [2])
        #expect(net.expectEffect(.classifyStream)?.trafficClass == 0x48)
        peer.send(.ack, seq: 103, ack: 1, payload: [3])
        // An acknowledgement's traffic class is not that of the data.
        peer.trafficClass = 0
        peer.send(.ack, seq: 104, ack: 1)
        net.expectNoEffect()
    }

    @Test func `what a client sends arrives with the client's class`() {
        net.turn { stack in peer.handle = stack.openFromHost(client: peer.remote, guest: peer.guest, trafficClass: 0xB9)
        }
        #expect(peer.expect(.syn)?.trafficClass == 0xB8)
    }

    // MARK: Hops

    @Test(arguments: ["198.51.100.7:80", "[2001:db8::7]:80"])
    func `a SYN with one hop left ends at the gateway with an ICMP error`(_ remote: String) throws {
        let peer = try TCPPeer(net, to: remote)
        peer.hopLimit = 1
        peer.send(.syn, seq: 100)
        net.expectNoEffect()
        let isIPv4 = peer.remote.address.isIPv4
        let frame = net.frames.removeFirst()
        let message = Array(frame.dropFirst(26 + (isIPv4 ? 20 : 40)))
        #expect(message[0] == (isIPv4 ? 11 : 3) && message[1] == 0)
        #expect(net.counters.read(.tcpFlows) == 0)
        peer.hopLimit = 2
        peer.send(.syn, seq: 100)
        #expect(net.expectEffect(.connectStream)?.hopLimit == 1)
    }

    @Test func `the host is not a hop away`() throws {
        let peer = try TCPPeer(net, to: "192.168.127.254:80")
        peer.hopLimit = 1
        peer.send(.syn, seq: 100)
        #expect(net.expectEffect(.connectStream)?.hopLimit == 1)
    }

    @Test func `a router's error reaches the guest with that router's address`() throws {
        peer.hopLimit = 3
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        let router = IPv4Address(203, 0, 113, 9)
        net.turn { stack in
            guard let handle = peer.handle else { return }
            stack.streamOpened(handle, socket: 7)
            stack.streamConnectReported(
                handle, .reported(type: 11, code: 0, parameter: 0), from: IPAddress(router))
        }
        let frame = net.frames.removeFirst()
        #expect(Array(frame[38..<42]) == [203, 0, 113, 9])
        #expect(Array(frame[46..<48]) == [11, 0])
        // The ports and the sequence number of the guest's SYN.
        #expect(Array(frame.dropFirst(54 + 20).prefix(8)) == [0x9C, 0x40, 0, 80, 0, 0, 0, 100])
        net.expectNothingHeld()
    }
}
