import CRingway
import Glibc
import RingwayLinks
import RingwayModel
import RingwayStorage
import RingwayWire
import TestSupport
import Testing

/// A send queue, and a kernel that accepts as much as a test determines.
private final class OutgoingBench {
    let bench = LinkBench(large: 1_200, small: 64)
    private var frames: FrameSendQueue
    private(set) var stream: [UInt8] = []

    init(_ framing: Link.Framing) {
        frames = MemoryFailure.trap { [bench] in
            try FrameSendQueue(framing, pool: bench.pool, counters: bench.counters)
        }
    }

    deinit { frames.close() }

    var isCongested: Bool { @inline(never) get { frames.isCongested } }

    @inline(never) func append(_ frame: [UInt8], splitAt place: Int? = nil) {
        guard let place else {
            return frames.append(
                OutgoingFrame(bench.lease(frame, offset: 100), offset: 100, length: UInt32(frame.count)))
        }
        frames.append(
            OutgoingFrame(
                bench.lease(Array(frame[..<place]), offset: 7, .small), offset: 7, length: UInt32(place),
                payload: bench.lease(Array(frame[place...]), offset: 128), payloadOffset: 128,
                payloadLength: UInt32(frame.count - place)))
    }

    /// The kernel accepts everything, in calls of at most `limit()` bytes.
    @inline(never) func send(atMost limit: () -> Int) {
        while frames.startBatch() {
            var isSent = false
            while !isSent {
                let message = frames.message()
                var room = max(1, limit())
                var taken = 0
                for index in 0..<message.pointee.msg_iovlen where room > 0 {
                    let slice = message.pointee.msg_iov[index]
                    let count = min(room, slice.iov_len)
                    stream += UnsafeRawBufferPointer(start: slice.iov_base, count: count)
                    taken += count
                    room -= count
                }
                isSent = frames.sent(byteCount: taken)
            }
        }
    }

    /// The kernel accepts everything. Returns the bytes of each batch.
    @inline(never) func sendBatches() -> [Int] {
        var sizes: [Int] = []
        while frames.startBatch() {
            let message = frames.message()
            var size = 0
            for index in 0..<message.pointee.msg_iovlen { size += message.pointee.msg_iov[index].iov_len }
            sizes.append(size)
            _ = frames.sent(byteCount: size)
        }
        return sizes
    }

    @inline(never) func startBatch() -> Bool { frames.startBatch() }
    @inline(never) func sendDatagrams(_ descriptor: Int32) -> Int32 { frames.sendDatagrams(descriptor) }
    @inline(never) func close() { frames.close() }
}

@Suite("Frames to a guest on a socket") struct FrameSendQueueTests {
    /// A complete frame, or a TCP super-frame to segment.
    private func frame(_ payload: Int, isSuper: Bool, _ noise: inout SeededNoise) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: 12 + 14 + 20 + 20)
        frame.withUnsafeMutableBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            if isSuper {
                VirtioNetFields(flags: 1, gsoType: 1, gsoSize: 1_460, checksumStart: 34, checksumOffset: 16)
                    .write(to: base)
            }
            EthernetFields(destination: .broadcast, source: MACAddress(rawValue: 2), etherType: EtherType.ipv4)
                .write(to: base + 12)
            IPv4Fields(
                source: IPv4Address(10, 0, 0, 1), destination: IPv4Address(10, 0, 0, 2), protocolNumber: 6,
                payloadLength: 20 + payload
            ).write(to: base + 26)
            TCPFields(
                sourcePort: 1, destinationPort: 2, sequence: SequenceNumber(0), acknowledgement: SequenceNumber(0),
                flags: .ack, window: 1
            ).write(to: base + 46)
        }
        return frame + noise.bytes(payload)
    }

    @Test(
        "arrive in order and whole, however the kernel takes them", arguments: StreamFraming.allCases, [UInt64](1...6))
    func order(framing: StreamFraming, seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let bench = OutgoingBench(.stream(framing))
        var payload: [UInt8] = []
        for _ in 0..<60 {
            let isSuper = noise.next() % 3 == 0
            let frame = frame(isSuper ? Int(noise.next() % 60_000) + 1 : 1_400, isSuper: isSuper, &noise)
            payload += frame[66...]
            bench.append(frame, splitAt: noise.next() % 2 == 0 ? 66 : nil)
            if noise.next() % 4 == 0 { bench.send { Int(noise.next() % 100_000) } }
        }
        bench.send { Int(noise.next() % 100_000) }
        let frames = FramedStream.frames(bench.stream, framing)
        let header = framing == .agent ? 66 : 54
        #expect(frames.flatMap { $0[header...] } == payload)
        #expect(framing == .agent ? frames.count == 60 : frames.allSatisfy { $0.count <= 1_514 })
        #expect(bench.bench.leased == 0)
    }

    @Test("wait within bounds, and report congestion", arguments: StreamFraming.allCases)
    func bounds(framing: StreamFraming) {
        var noise = SeededNoise(seed: 9)
        let bench = OutgoingBench(.stream(framing))
        let frame = frame(60_000, isSuper: true, &noise)
        bench.append(frame)
        #expect(bench.startBatch() && !bench.isCongested)
        var count = 1
        while !bench.isCongested, count < 100 {
            bench.append(frame)
            count += 1
        }
        #expect(count < 20)
        let before = bench.bench.counters.read(.linkWritesDropped)
        for _ in 0..<1_100 { bench.append(frame) }
        let dropped = bench.bench.counters.read(.linkWritesDropped) - before
        #expect(dropped > 0 && bench.bench.leased <= FrameSendQueue.waitingLimit + 10)
        bench.close()
        #expect(bench.bench.leased == 0 && !bench.isCongested)
        bench.append(frame)
        #expect(bench.bench.leased == 0)
    }

    @Test func `go in batches of limited size, whether they are copied or stay in their own buffers`() {
        var noise = SeededNoise(seed: 14)
        let bench = OutgoingBench(.stream(.agent))
        let (large, small) = (frame(60_000, isSuper: true, &noise), frame(900, isSuper: false, &noise))
        for _ in 0..<4 { bench.append(large) }
        for _ in 0..<250 { bench.append(small) }
        let sizes = bench.sendBatches()
        #expect(sizes.reduce(0, +) >= 4 * large.count + 250 * small.count)
        #expect(sizes.allSatisfy { $0 <= 256 << 10 })
        #expect(bench.bench.leased == 0)
    }

    @Test func `relax when the guest reads again`() {
        var noise = SeededNoise(seed: 10)
        let bench = OutgoingBench(.stream(.qemu))
        let frame = frame(60_000, isSuper: true, &noise)
        for _ in 0..<40 { bench.append(frame) }
        #expect(bench.isCongested)
        bench.send { 1 << 20 }
        #expect(!bench.isCongested && bench.bench.leased == 0)
        #expect(bench.bench.counters.read(.linkCongestions) == 1)
    }

    @Test func `that ask for the impossible are dropped alone`() {
        var noise = SeededNoise(seed: 11)
        let bench = OutgoingBench(.stream(.qemu))
        var wrong = frame(3_000, isSuper: true, &noise)
        wrong[4] = 3
        wrong[5] = 0
        for _ in 0..<3 {
            bench.append(wrong)
            bench.append(frame(100, isSuper: false, &noise))
        }
        bench.send { 1_000 }
        #expect(FramedStream.frames(bench.stream, .qemu).map(\.count) == [154, 154, 154])
        #expect(bench.bench.counters.read(.linkWritesRefused) == 3 && bench.bench.leased == 0)
    }

    @Test("that no peer accepts are dropped, without the others", arguments: StreamFraming.allCases)
    func tooLong(framing: StreamFraming) {
        var noise = SeededNoise(seed: 13)
        let bench = OutgoingBench(.stream(framing))
        // Another guest's frame may fill a whole buffer.
        bench.append([UInt8](repeating: 0, count: 12) + noise.bytes(65_589))
        bench.append(frame(100, isSuper: false, &noise))
        bench.send { 1_000_000 }
        #expect(FramedStream.frames(bench.stream, framing).count == 1)
        #expect(bench.bench.counters.read(.linkWritesRefused) == 1 && bench.bench.leased == 0)
    }

    @Test func `go as datagrams, one for each wire frame, as far as the socket takes them`() {
        var noise = SeededNoise(seed: 12)
        var ends: (Int32, Int32) = (-1, -1)
        let made = withUnsafeMutableBytes(of: &ends) { bytes in
            socketpair(
                AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0,
                bytes.baseAddress?.assumingMemoryBound(to: Int32.self))
        }
        #expect(made == 0)
        defer {
            close(ends.0)
            close(ends.1)
        }
        let bench = OutgoingBench(.datagram)
        let frame = frame(60_000, isSuper: true, &noise)
        for _ in 0..<30 { bench.append(frame) }
        var payload: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 2_000)
        while bench.startBatch() {
            var result = EAGAIN
            while result == EAGAIN {
                result = bench.sendDatagrams(ends.0)
                while case let count = recv(ends.1, &bytes, bytes.count, 0), count > 0 {
                    payload += bytes[54..<count]
                }
            }
            #expect(result == 0)
        }
        #expect(payload.count == 30 * 60_000)
        #expect(payload == (0..<30).flatMap { _ in frame[66...] })
    }
}
