import RingwayModel
import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// RFC 5961: segments of a blind attacker, or of a guest that has lost its state.
@Suite("Segments that must be doubted")
struct TCPAttackTests {
    let net: StackUnderTest
    let peer: TCPPeer

    init() throws {
        net = try StackUnderTest()
        peer = try TCPPeer.established(net)
    }

    @Test func `established: RST at the next number resets`() {
        peer.send(.rst, seq: 101)
        net.expectEffect(.resetStream)
        net.expectNothingHeld()
    }

    @Test(arguments: [102, 1_000, 65_000] as [UInt32])
    func `established: RST elsewhere in the window is challenged`(_ sequence: UInt32) {
        peer.send(.rst, seq: sequence)
        peer.expect(.ack, seq: 1, ack: 101)
        #expect(peer.state == .established)
    }

    @Test(arguments: [100, 0, 70_000] as [UInt32])
    func `established: RST outside the window is ignored`(_ sequence: UInt32) {
        peer.send(.rst, seq: sequence)
        peer.expectSilence()
        #expect(peer.state == .established)
    }

    @Test(arguments: [100, 101, 5_000, 4_000_000_000] as [UInt32])
    func `established: SYN is challenged wherever it lies`(_ sequence: UInt32) {
        peer.send(.syn, seq: sequence)
        peer.expect(.ack, seq: 1, ack: 101)
        #expect(peer.state == .established)
        net.expectNoEffect()
    }

    @Test func `challenges are limited in number`() {
        for _ in 0..<50 { peer.send(.rst, seq: 500) }
        #expect(net.frames.count == 1)
        peer.advance(by: 6 * StackUnderTest.millisecond)
        peer.send(.rst, seq: 500)
        #expect(net.frames.count == 2)
    }

    @Test func `a SYN on a stale tuple gets the guest through in one more round`() {
        // The guest was restarted and has forgotten the connection.
        let stale = peer.handle
        peer.send(.syn, seq: 900_000)
        let challenge = peer.expect(.ack, seq: 1, ack: 101)
        peer.send(.rst, seq: challenge?.acknowledgement ?? 0)
        net.expectEffect(.resetStream)
        #expect(stale.flatMap { net.stack.connectionState($0) } == nil)
        peer.send(.syn, seq: 900_000)
        peer.expectConnect()
        peer.connectSucceeds()
        peer.expect([.syn, .ack], ack: 900_001)
    }

    @Test func `a segment without ACK is dropped`() {
        peer.send(.psh, seq: 101, payload: [1])
        peer.expectSilence()
        #expect(peer.unsent == [])
    }

    @Test func `keepalive and duplicates left of the window are answered`() {
        peer.send(.ack, seq: 100, ack: 1)
        peer.expect(.ack, seq: 1, ack: 101)
        peer.send(.ack, seq: 100, ack: 1, payload: [1])
        peer.expect(.ack, seq: 1, ack: 101)
    }

    @Test(arguments: [100, 5_000_000, 4_000_000_000] as [UInt32])
    func `empty segments outside the window are answered now and then`(_ sequence: UInt32) {
        // Two ends would answer each other forever, after one was set back to an earlier state.
        for _ in 0..<50 { peer.send(.ack, seq: sequence, ack: 1) }
        #expect(net.frames.count == 1)
        peer.advance(by: 6 * StackUnderTest.millisecond)
        for _ in 0..<50 { peer.send(.ack, seq: sequence, ack: 1) }
        #expect(net.frames.count == 2)
    }

    @Test(arguments: [101, 5_000_000] as [UInt32])
    func `empty segments that acknowledge what was never sent are answered now and then`(_ sequence: UInt32) {
        for _ in 0..<50 { peer.send(.ack, seq: sequence, ack: 1_000) }
        #expect(net.frames.count == 1)
        peer.advance(by: 6 * StackUnderTest.millisecond)
        for _ in 0..<50 { peer.send(.ack, seq: sequence, ack: 1_000) }
        #expect(net.frames.count == 2)
    }

    @Test(arguments: [2, 1_000, 1_000_000])
    func `bytes and FIN with an acknowledgement that cannot be are dropped`(_ acknowledgement: Int) {
        for _ in 0..<50 { peer.send([.fin, .ack], seq: 101, ack: acknowledgement, payload: [1]) }
        peer.expect(.ack, seq: 1, ack: 101)
        peer.expectSilence()
        #expect(peer.state == .established)
        #expect(peer.unsent == [])
        net.expectNoEffect()
    }

    @Test func `bytes with an acknowledgement that is old are taken`() {
        peer.send(.ack, seq: 101, ack: -65_534, payload: [1, 2])
        peer.expect(.ack, seq: 1, ack: 103)
        #expect(peer.unsent == [1, 2])
    }

    @Test(arguments: [50, 5_000_000] as [UInt32])
    func `bytes and FIN outside the window are answered each time`(_ sequence: UInt32) {
        for _ in 0..<5 {
            peer.send(.ack, seq: sequence, ack: 1, payload: [1])
            peer.expect(.ack, seq: 1, ack: 101)
            peer.send([.fin, .ack], seq: sequence, ack: 1)
            peer.expect(.ack, seq: 1, ack: 101)
        }
    }

    @Test func `bytes far beyond the window are not held`() {
        peer.send(.ack, seq: 101 + 100_000, ack: 1, payload: [1, 2, 3])
        peer.expect(.ack, seq: 1, ack: 101)
        #expect(net.pool.pointee.leased == 0)
        #expect(net.counters.read(.tcpBeyondWindow) == 1)
    }

    @Test func `a frame from an address that no guest has is dropped`() {
        peer.guest.address = IPAddress(IPv4Address(10, 9, 8, 7))
        peer.send(.ack, seq: 101, ack: 1, payload: [1])
        peer.expectSilence()
        #expect(net.counters.read(.droppedSpoofedSource) == 1)
    }
}
