import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

@Suite("A connection that a client of a published port opens")
struct TCPHostOpeningTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer(net)
    }

    @Test func `synSent: the guest sees SYN from the client's own address`() {
        peer.openFromHost()
        let syn = peer.expect(.syn, seq: 0, window: 65_535)
        #expect(syn?.options.maximumSegmentSize == 1_460)
        #expect(syn?.options.windowScale != nil)
        #expect(syn?.options.sackPermitted == true)
        peer.send([.syn, .ack], seq: 100, ack: 1)
        peer.expect(.ack, seq: 1, ack: 101)
        net.expectEffect(.receiveStream)
        #expect(peer.state == .established)
    }

    @Test func `a client on the host's loopback appears as the network's host address`() throws {
        let guest = peer.guest.address
        #expect(net.stack.shownToGuest(IPAddress(IPv4Address(127, 0, 0, 1)), by: guest) == IPAddress(net.plan.hostIPv4))
    }

    @Test func `a client of the other family appears as the network's host address, at a port of its own`() throws {
        let client = TransportAddress(address: IPAddress(high: 0x2001_0DB8 << 32, low: 7), port: 5_000)
        net.turn { stack in #expect(stack.openFromHost(client: client, guest: peer.guest) != nil) }
        let other = TransportAddress(address: IPAddress(high: 0, low: 1), port: 5_000)
        net.turn { stack in #expect(stack.openFromHost(client: other, guest: peer.guest) != nil) }
        let flows = net.stack.connectionSummaries
        let host = net.plan.hostIPv4
        #expect(flows.count == 2 && flows.allSatisfy { $0.contains(" \(host):") }, "\(flows)")
        #expect(flows.count { $0.contains(" \(host):5000 ") } == 1, "\(flows)")
    }

    @Test func `synSent: the window that the SYN promised is kept`() {
        peer.openFromHost()
        peer.expect(.syn, window: 65_535)
        peer.send([.syn, .ack], seq: 100, ack: 1, options: TCPPeer.options(segmentSize: 1_460, scale: 7))
        let answer = peer.expect(.ack, seq: 1, ack: 101)
        // In steps of 256 bytes, and no less than what was promised.
        #expect(answer.map { $0.window << 8 >= 65_535 } == true)
        #expect(net.stack.reservedBytes == 65_536)
    }

    @Test func `synSent: RST from the guest closes the client's socket with RST`() {
        peer.openFromHost()
        peer.expect(.syn)
        peer.send([.rst, .ack], seq: 0, ack: 1)
        net.expectEffect(.resetStream)
        peer.expectSilence()
        net.expectNothingHeld()
        #expect(net.counters.read(.tcpRefused) == 1)
    }

    @Test func `synSent: RST that acknowledges something else is ignored`() {
        peer.openFromHost()
        peer.expect(.syn)
        peer.send([.rst, .ack], seq: 0, ack: 7)
        peer.send(.rst, seq: 1)
        net.expectNoEffect()
        #expect(peer.state == .synSent)
    }

    @Test func `synSent: SYN-ACK of another SYN is answered by RST, and SYN tried again`() {
        peer.openFromHost()
        peer.expect(.syn)
        peer.send([.syn, .ack], seq: 100, ack: 900)
        peer.expect(.rst, seq: 900)
        #expect(peer.state == .synSent)
        peer.advance(by: 1_100 * StackUnderTest.millisecond)
        peer.expect(.syn, seq: 0)
    }

    @Test func `synSent: SYN is repeated with back-off, and the client reset after seven seconds`() {
        peer.openFromHost()
        peer.expect(.syn)
        for seconds: UInt64 in [1, 2] {
            peer.advance(by: seconds * StackUnderTest.second + 5 * StackUnderTest.millisecond)
            peer.expect(.syn, seq: 0)
        }
        peer.advance(by: 4 * StackUnderTest.second + 100 * StackUnderTest.millisecond)
        net.expectEffect(.watchStream)
        net.expectEffect(.guestSilent)
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
    }

    @Test(arguments: [(GuestTrust.doubtful, 0), (.likely, 1)])
    func `synSent: a client on trial is handed back, and the guest hears no more`(trust: GuestTrust, again: Int) {
        peer.openFromHost(trust: trust)
        peer.expect(.syn)
        for seconds in 0..<again {
            peer.advance(by: UInt64(1 + seconds) * StackUnderTest.second + 5 * StackUnderTest.millisecond)
            peer.expect(.syn, seq: 0)
        }
        peer.advance(by: UInt64(1 + again) * StackUnderTest.second + 5 * StackUnderTest.millisecond)
        net.expectEffect(.watchStream)
        let silent = net.expectEffect(.guestSilent)
        #expect(silent?.socket == 7)
        #expect(silent?.address == peer.guest)
        peer.expectSilence()
        net.expectNoEffect()
        net.expectNothingHeld()
    }

    @Test func `synSent: an answer ends the trial, whatever it says`() {
        peer.openFromHost(trust: .doubtful)
        peer.expect(.syn)
        peer.send([.rst, .ack], seq: 0, ack: 1)
        #expect(net.expectEffect(.guestShown)?.address.address == peer.guest.address)
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
    }

    @Test func `synSent: a SYN of the guest's own opens simultaneously`() {
        peer.openFromHost()
        peer.expect(.syn, seq: 0)
        peer.send(.syn, seq: 100)
        peer.expect([.syn, .ack], seq: 0, ack: 101)
        #expect(peer.state == .synReceived)
        peer.send(.ack, seq: 101, ack: 1)
        #expect(peer.state == .established)
        net.expectEffect(.receiveStream)
    }

    @Test func `synReceived: SYN-ACK of a simultaneous open establishes`() {
        peer.openFromHost()
        peer.expect(.syn)
        peer.send(.syn, seq: 100)
        peer.expect([.syn, .ack], seq: 0, ack: 101)
        peer.send([.syn, .ack], seq: 100, ack: 1)
        #expect(peer.state == .established)
        peer.expect(.ack, seq: 1, ack: 101)
        net.expectEffect(.receiveStream)
    }

    @Test func `the same client and port cannot be open twice`() {
        peer.openFromHost()
        peer.expect(.syn)
        net.turn { stack in #expect(stack.openFromHost(client: peer.remote, guest: peer.guest) == nil) }
        #expect(net.counters.read(.forwardsRefused) == 1)
    }

    @Test func `synSent: a client that has failed ends at once, and is watched for that if the guest takes its time`() {
        peer.openFromHost()
        peer.expect(.syn)
        peer.advance(by: 150 * StackUnderTest.millisecond)
        #expect(net.expectEffect(.watchStream)?.reportsEnd == true)
        net.turn { stack in if let handle = peer.handle { stack.streamFailed(handle) } }
        peer.expect([.rst, .ack])
        net.expectNothingHeld()
    }

    @Test func `synSent: for a client that has ended its side no SYN is repeated`() {
        peer.openFromHost()
        peer.expect(.syn)
        peer.advance(by: 150 * StackUnderTest.millisecond)
        net.expectEffect(.watchStream)
        net.turn { stack in if let handle = peer.handle { stack.clientEnded(handle) } }
        // What the guest has to say may still be wanted.
        net.expectNoEffect()
        peer.advance(by: StackUnderTest.second)
        net.expectEffect(.guestSilent)
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
    }

    @Test func `synSent: a client that has ended its side hears a guest that answers`() {
        peer.openFromHost()
        peer.expect(.syn)
        peer.advance(by: 150 * StackUnderTest.millisecond)
        net.expectEffect(.watchStream)
        net.turn { stack in if let handle = peer.handle { stack.clientEnded(handle) } }
        peer.send([.syn, .ack], seq: 100, ack: 1)
        peer.expect(.ack, seq: 1, ack: 101)
        net.expectEffect(.receiveStream)
        #expect(peer.state == .established)
    }

    @Test func `clients have a half-open quota of their own: the oldest gives way, and none of the guest's does`()
        throws
    {
        var limits = StackUnderTest.limits
        limits.halfOpenConnects = 32
        let net = try StackUnderTest(limits: limits)
        for port: UInt16 in 0..<20 { try TCPPeer(net, port: 1_000 + port).openFromHost() }
        #expect(net.counters.read(.tcpHalfOpen) == 16)
        #expect(net.counters.read(.tcpHalfOpenEvicted) == 4)
        for _ in 0..<4 { net.expectEffect(.resetStream) }
        let peer = try TCPPeer(net)
        peer.send(.syn, seq: 100)
        peer.expectConnect()
        #expect(net.counters.read(.tcpHalfOpenEvicted) == 4)
    }
}
