import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

@Suite("Flows that end for others")
struct IdleFlowTests {
    let net: StackUnderTest

    init() throws { net = try StackUnderTest() }

    private func endIdlest() {
        net.turn { stack in
            if let flow = stack.idlestFlow() { stack.end(flow) } else { Issue.record("there is no flow to end") }
        }
    }

    @Test func `the connection idle for longest goes first, and both of its ends see RST`() throws {
        let idle = try TCPPeer.established(net)
        net.advance(by: StackUnderTest.second)
        let busy = try TCPPeer.established(net, port: 40_001)
        net.effects = []
        endIdlest()
        idle.expect([.rst, .ack])
        net.expectEffect(.resetStream)
        #expect(idle.state == nil && busy.state == .established)
        #expect(net.counters.read(.flowsGivenBack) == 1)
    }

    @Test func `what was never answered goes before any connection, the oldest first`() throws {
        let connection = try TCPPeer.established(net)
        net.advance(by: 10 * StackUnderTest.second)
        let asking = UDPPeer(net, port: 5_000)
        try asking.send([1], to: "8.8.8.8:123")
        asking.expectSent([1], to: "8.8.8.8:123")
        net.advance(by: StackUnderTest.second)
        let calling = try TCPPeer(net, port: 40_001)
        calling.send(.syn, seq: 100)
        calling.expectConnect()
        net.turn { stack in if let handle = calling.handle { stack.streamOpened(handle, socket: 9) } }
        net.effects = []
        endIdlest()
        net.expectEffect(.closeDatagram)
        endIdlest()
        net.expectEffect(.resetStream)
        // A guest whose SYN had no answer repeats it, or gives up.
        calling.expectSilence()
        #expect(connection.state == .established)
        endIdlest()
        #expect(connection.state == nil)
        var hasFlow = true
        net.turn { stack in hasFlow = stack.idlestFlow() != nil }
        #expect(!hasFlow)
    }

    @Test func `a new flow takes the place of an unanswered one, and never of a connection`() throws {
        let connection = try TCPPeer.established(net)
        let asking = UDPPeer(net, port: 5_000)
        try asking.send([1], to: "8.8.8.8:123")
        let mapping = try #require(asking.expectSent([1], to: "8.8.8.8:123"))
        var ended: [Bool] = []
        net.turn { stack in
            ended.append(stack.endUnanswered(sparing: mapping))
            for _ in 0..<2 { ended.append(stack.endUnanswered()) }
        }
        #expect(ended == [false, true, false])
        net.expectEffect(.closeDatagram)
        #expect(connection.state == .established)
    }

    @Test func `a new mapping takes the place of the oldest one, even if that was answered`() throws {
        let (first, second) = (UDPPeer(net, port: 5_000), UDPPeer(net, port: 5_001))
        try first.send([1], to: "8.8.8.8:123")
        let old = try #require(first.expectSent([1], to: "8.8.8.8:123"))
        try first.hostSends([2], from: "8.8.8.8:123", to: old)
        net.advance(by: StackUnderTest.second)
        try second.send([1], to: "8.8.8.8:123")
        let new = try #require(second.expectSent([1], to: "8.8.8.8:123"))
        var ended: [Bool] = []
        net.turn { stack in
            for _ in 0..<2 { ended.append(stack.endOldestMapping(sparing: new)) }
        }
        #expect(ended == [true, false])
        #expect(net.expectEffect(.closeDatagram)?.handle.slot == old.slot)
    }

    @Test func `a connect beyond the guest's share is refused at once`() throws {
        let peer = try TCPPeer(net)
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        net.turn { stack in if let handle = peer.handle { stack.streamConnectFailed(handle, .beyondShare) } }
        peer.expect([.rst, .ack])
        #expect(net.counters.read(.descriptorsExhausted) == 1)
        #expect(peer.state == nil)
    }
}
