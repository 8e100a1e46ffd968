import RingwayStorage
import RingwayWire
import Testing

@testable import RingwayStack

@Suite("SendSide")
struct SendSideTests {
    private let initial = SequenceNumber(0xFFFF_FF00)

    private func at(_ offset: Int) -> SequenceNumber { initial.advanced(by: offset) }

    /// A header of a segment of the guest's.
    private func withHeader<Result>(
        sequence: Int, acknowledgement: Int, window: UInt16, flags: TCPFlags = .ack, _ body: (TCPHeader) -> Result
    ) -> Result? {
        var bytes = [UInt8](repeating: 0, count: 20)
        return bytes.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return nil }
            TCPFields(
                sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(UInt32(sequence)),
                acknowledgement: at(acknowledgement), flags: flags, window: window
            ).write(to: base)
            base.storeBytes(of: 5 << 4, toByteOffset: 12, as: UInt8.self)
            return TCPHeader(UnsafeRawBufferPointer(bytes)).map(body)
        }
    }

    private func opened() -> SendSide {
        var send = SendSide()
        send.begin(at: initial)
        return send
    }

    private func update(_ send: inout SendSide, sequence: Int, acknowledgement: Int, window: UInt16) -> Bool? {
        withHeader(sequence: sequence, acknowledgement: acknowledgement, window: window) {
            send.updateWindow($0, UInt32(window) << UInt32(send.scale))
        }
    }

    // MARK: The window

    @Test func `the window of a SYN is never scaled, that of its acknowledgement is`() {
        var send = opened()
        send.scale = 7
        _ = withHeader(sequence: 1, acknowledgement: 0, window: 1_000, flags: .syn) { send.takeFirstWindow($0) }
        #expect(send.window == 1_000)
        _ = withHeader(sequence: 2, acknowledgement: 0, window: 1_000) { send.takeFirstWindow($0) }
        #expect(send.window == 128_000)
        #expect(send.windowMaximum == 128_000)
    }

    @Test func `a newer segment moves the window, an older one does not`() {
        var send = opened()
        send.nxt = at(5_000)
        #expect(update(&send, sequence: 100, acknowledgement: 1_000, window: 4_000) == true)
        #expect(send.window == 4_000)
        // Older by its sequence number.
        #expect(update(&send, sequence: 99, acknowledgement: 0, window: 9_000) == false)
        // The same segment's sequence number, and an older acknowledgement.
        #expect(update(&send, sequence: 100, acknowledgement: 0, window: 9_000) == false)
        #expect(send.window == 4_000)
        // Older by its sequence number, but it acknowledges more than any before it.
        #expect(update(&send, sequence: 99, acknowledgement: 2_000, window: 3_000) == true)
        #expect(send.window == 3_000)
        #expect(send.windowMaximum == 4_000)
    }

    @Test func `a closed window is taken, and is no open one`() {
        var send = opened()
        #expect(update(&send, sequence: 100, acknowledgement: 0, window: 0) == false)
        #expect(send.window == 0)
        #expect(update(&send, sequence: 100, acknowledgement: 0, window: 10) == true)
    }

    @Test func `data in flight reduces the usable window`() {
        var send = opened()
        send.nxt = at(700)
        _ = update(&send, sequence: 100, acknowledgement: 0, window: 1_000)
        #expect(send.flight == 700)
        #expect(send.usable == 300)
        _ = update(&send, sequence: 101, acknowledgement: 0, window: 500)
        #expect(send.usable == 0)
    }

    // MARK: Segments

    @Test func `a frame holds as many whole segments as an IP packet does`() {
        var send = SendSide()
        send.setSegmentSize(1_460, isIPv4: true, optionLength: 0)
        #expect(send.superFramePayload == 44 * 1_460)
        send.setSegmentSize(1_428, isIPv4: false, optionLength: 12)
        #expect(send.superFramePayload == 45 * 1_428)
        send.setSegmentSize(65_000, isIPv4: true, optionLength: 0)
        #expect(send.superFramePayload == 65_000)
    }

    // MARK: Payload in flight

    @Test func `buffers are released when they are acknowledged whole`() {
        let bench = BufferBench()
        var send = opened()
        for _ in 0..<3 { send.append(bench.lease(BufferBench.pattern(1_000)), in: bench.space) }
        #expect(send.flight == 3_000)
        send.acknowledged(upTo: at(999), to: bench.pool, bench.space)
        #expect(bench.leased == 3)
        send.acknowledged(upTo: at(2_500), to: bench.pool, bench.space)
        #expect(bench.leased == 1)
        #expect(send.flight == 500)
        send.acknowledged(upTo: at(3_000), to: bench.pool, bench.space)
        #expect(bench.leased == 0)
        #expect(send.unacknowledged.isEmpty)
    }

    @Test func `FIN is acknowledged with everything before it`() {
        var send = opened()
        send.end = .finished
        #expect(!send.isFINAcknowledged)
        send.nxt = at(1)
        send.end = .finSent
        #expect(!send.isFINAcknowledged)
        send.una = at(1)
        #expect(send.isFINAcknowledged)
    }

    // MARK: Held back

    @Test func `what the window has no room for is sent when it has`() {
        let bench = BufferBench()
        var send = opened()
        send.setSegmentSize(1_000, isIPv4: true, optionLength: 0)
        send.holdBack(bench.lease(BufferBench.pattern(2_500)), in: bench.space)
        #expect(send.heldBack == 2_500 && send.flight == 0)
        #expect(send.sendableHeldBack() == nil)
        _ = update(&send, sequence: 100, acknowledgement: 0, window: 400)
        // Nothing is in flight: even a small segment goes.
        #expect(send.sendableHeldBack() == 400)
        send.sentHeldBack(400)
        #expect(send.heldBack == 2_100 && send.flight == 400)
        _ = update(&send, sequence: 101, acknowledgement: 0, window: 1_000)
        #expect(send.sendableHeldBack() == nil, "a silly segment while another one is in flight")
        _ = update(&send, sequence: 102, acknowledgement: 0, window: 1_400)
        #expect(send.sendableHeldBack() == 1_000)
        _ = update(&send, sequence: 103, acknowledgement: 0, window: 60_000)
        #expect(send.sendableHeldBack() == 2_100)
        send.sentHeldBack(2_100)
        #expect(send.sendableHeldBack() == nil)
        send.acknowledged(upTo: at(2_500), to: bench.pool, bench.space)
        #expect(bench.leased == 0)
    }
}
