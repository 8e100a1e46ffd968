import RingwayStack
import RingwayStorage
import RingwayWire
import Testing

/// What becomes of acknowledgements while every buffer is in use.
@Suite("Acknowledgements without a buffer")
struct TCPBufferShortageTests {
    let net: StackUnderTest

    init() throws { net = try StackUnderTest() }

    /// Every buffer that is left.
    private func takeBuffers() -> [Lease] {
        var held: [Lease] = []
        while net.pool.pointee.smallAvailable > 0 { held.append(net.pool.pointee.lease(.small)) }
        while net.pool.pointee.largeAvailable > 0 { held.append(net.pool.pointee.lease(.large)) }
        return held
    }

    private func release(_ leases: [Lease]) {
        for lease in leases { net.pool.pointee.release(lease) }
    }

    /// Bytes that come in the only buffer that is left, and stay in it.
    private func sendInLastBuffer(_ peer: TCPPeer, of held: inout [Lease]) {
        release([held.removeLast()])
        peer.send(.ack, seq: 101, ack: 1, payload: TCPPeer.pattern(10))
    }

    @Test func `an acknowledgement is sent when a buffer has come back`() throws {
        let peer = try TCPPeer.established(net)
        var held = takeBuffers()
        sendInLastBuffer(peer, of: &held)
        peer.expectSilence()
        net.turn { _ in }
        peer.expectSilence()
        release([held.removeLast()])
        net.turn { _ in }
        peer.expect(.ack, seq: 1, ack: 111)
        net.turn { _ in }
        peer.expectSilence()
        release(held)
    }

    @Test func `a turn that puts acknowledgements off is counted once`() throws {
        let peers = try (0..<3).map { try TCPPeer.established(net, port: 40_000 + $0) }
        var held = takeBuffers()
        for peer in peers { sendInLastBuffer(peer, of: &held) }
        #expect(net.counters.read(.tcpAcknowledgementsDeferred) == 3)
        net.turn { _ in }
        #expect(net.counters.read(.tcpAcknowledgementsDeferred) == 4)
        release(held)
        net.turn { _ in }
        #expect(net.counters.read(.tcpAcknowledgementsDeferred) == 4)
        #expect(net.frames.count == 3)
    }

    @Test func `a connection that ends meanwhile is left out`() throws {
        let peers = try (0..<3).map { try TCPPeer.established(net, port: 40_000 + $0) }
        var held = takeBuffers()
        for peer in peers { sendInLastBuffer(peer, of: &held) }
        release([held.removeLast()])
        // The frame gives its buffer back, and the connection that of its bytes: one for each of the others.
        peers[1].send(.rst, seq: 111)
        #expect(net.frames.count == 2)
        release(held)
        net.turn { _ in }
        #expect(net.frames.count == 2)
    }
}
