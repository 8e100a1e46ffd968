import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// RFC 6093: the urgent byte is the one before where the pointer points, and stays where it is in the stream.
@Suite("Urgent data")
struct TCPUrgentTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer.established(net)
    }

    /// The next send: how many bytes at the most, and whether the last is urgent.
    private func expectSend(_ length: UInt32, urgent: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        guard let effect = net.expectEffect(.sendStream, sourceLocation: sourceLocation) else { return }
        #expect(effect.limit == length, sourceLocation: sourceLocation)
        #expect(effect.isUrgent == urgent, sourceLocation: sourceLocation)
    }

    @Test func `what comes before the urgent byte goes first, then it alone, then the rest`() {
        peer.send([.ack, .urg], seq: 101, ack: 1, payload: TCPPeer.pattern(10), urgentPointer: 4)
        expectSend(3, urgent: false)
        peer.hostTakes(2)
        expectSend(1, urgent: false)
        peer.hostTakes(1)
        expectSend(1, urgent: true)
        peer.hostTakes(1)
        expectSend(0, urgent: false)
        #expect(peer.parked == TCPPeer.pattern(6, from: 4))
        peer.hostTakes(6)
        peer.send(.ack, seq: 111, ack: 1, payload: [1])
        expectSend(0, urgent: false)
    }

    @Test func `an urgent byte alone is sent alone`() {
        peer.send([.ack, .urg, .psh], seq: 101, ack: 1, payload: [7], urgentPointer: 1)
        expectSend(1, urgent: true)
        peer.hostTakes(1)
        net.expectNoEffect()
        peer.send([.ack, .fin], seq: 102, ack: 1)
        net.expectEffect(.shutdownStream)
    }

    @Test func `a pointer to what is yet to come is kept until it has`() {
        peer.send([.ack, .urg], seq: 101, ack: 1, payload: TCPPeer.pattern(10), urgentPointer: 15)
        expectSend(0, urgent: false)
        peer.hostTakes(10)
        peer.send([.ack, .urg], seq: 111, ack: 1, payload: TCPPeer.pattern(10, from: 10), urgentPointer: 5)
        expectSend(4, urgent: false)
        peer.hostTakes(4)
        expectSend(1, urgent: true)
    }

    @Test func `a later urgent byte takes the place of one that the host does not have yet`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(5))
        expectSend(0, urgent: false)
        peer.send([.ack, .urg], seq: 106, ack: 1, payload: [1], urgentPointer: 1)
        peer.send([.ack, .urg], seq: 107, ack: 1, payload: [2], urgentPointer: 1)
        peer.hostTakes(5)
        expectSend(1, urgent: false)
        peer.hostTakes(1)
        expectSend(1, urgent: true)
    }

    @Test(arguments: [0, 65_535] as [UInt16])
    func `pointers that say nothing mark nothing`(_ pointer: UInt16) {
        peer.send([.ack, .urg], seq: 101, ack: 1, payload: TCPPeer.pattern(10), urgentPointer: pointer)
        expectSend(0, urgent: false)
    }

    @Test func `old news is no news`() {
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
        expectSend(0, urgent: false)
        peer.hostTakes(10)
        peer.send([.ack, .urg], seq: 101, ack: 1, payload: TCPPeer.pattern(11), urgentPointer: 5)
        expectSend(0, urgent: false)
    }

    @Test func `the host's urgent byte goes to the guest in a segment of its own`() {
        peer.hostSends(TCPPeer.pattern(3), precedesUrgent: true)
        let before = peer.expect(.ack, seq: 1, length: 3)
        #expect(before?.urgentPointer == 0)
        #expect(net.expectEffect(.receiveStream)?.limit == 1)
        peer.hostSends([9])
        #expect(peer.expect([.ack, .urg], seq: 4, payload: [9])?.urgentPointer == 1)
        #expect(net.expectEffect(.receiveStream).map { $0.limit > 1 } == true)
        peer.hostSends([1])
        #expect(peer.expect(.ack, seq: 5, payload: [1])?.urgentPointer == 0)
    }

    @Test func `an urgent byte behind timestamps is marked where it is`() throws {
        let peer = try TCPPeer.established(net, port: 41_000, clock: 1_000)
        peer.hostSends(TCPPeer.pattern(3), precedesUrgent: true)
        peer.expect(.ack, length: 3)
        peer.hostSends([9])
        #expect(peer.expect([.ack, .urg], seq: 4, payload: [9])?.urgentPointer == 1)
    }

    @Test func `an urgent byte that has to wait for the window is a byte like others`() {
        peer.hostSends(TCPPeer.pattern(3), precedesUrgent: true)
        peer.expect(.ack, length: 3)
        peer.send(.ack, seq: 101, ack: 4, window: 0)
        peer.hostSends([9])
        peer.expectSilence()
        peer.send(.ack, seq: 101, ack: 4, window: 1_000)
        #expect(peer.expect(.ack, seq: 4, payload: [9])?.urgentPointer == 0)
        peer.hostSends([1])
        #expect(peer.expect(.ack, seq: 5, payload: [1])?.urgentPointer == 0)
    }
}
