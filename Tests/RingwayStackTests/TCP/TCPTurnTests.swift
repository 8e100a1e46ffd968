import RingwayModel
import RingwayStack
import RingwayWire
import Testing

@Suite("The end of a turn")
struct TCPTurnTests {
    @Test func `acknowledges more connections than there are places for effects`() throws {
        var limits = StackUnderTest.limits
        limits.flowsPerGuest = 20_000
        let net = try StackUnderTest(limits: limits)
        let peers = try (0..<5_000).map { try TCPPeer.established(net, port: UInt16(10_000 + $0)) }
        #expect(net.frames.isEmpty)
        net.receiveTogether(peers.map { $0.segment([.ack, .psh], seq: 101, ack: 1, payload: [7]) })
        #expect(net.frames.count == peers.count)
        #expect(net.effects.filter { $0.kind == .sendStream }.count == peers.count)
    }
}
