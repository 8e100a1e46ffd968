import RingwayLinks
import RingwayStorage
import TestSupport
import Testing

/// A decoder that is fed a stream in pieces.
private final class DecoderBench {
    let bench: LinkBench
    private var decoder: FrameDecoder
    /// What went wrong with a length, if anything did.
    private(set) var malformed: Int?
    private(set) var isStarved = false

    init(_ framing: StreamFraming, large: Int = 4, small: Int = 4) {
        bench = LinkBench(large: large, small: small)
        decoder = MemoryFailure.trap { try FrameDecoder(framing) }
    }

    /// Room for what is received next.
    @inline(never) func room() -> Int { decoder.room(in: bench.space).count }

    /// Receives as much of the bytes as there is room for.
    @inline(never) func receive(_ bytes: ArraySlice<UInt8>) -> Int {
        let room = decoder.room(in: bench.space)
        let count = min(room.count, bytes.count)
        room.copyBytes(from: bytes.prefix(count))
        decoder.received(count)
        return count
    }

    /// The frames that are whole now, as leases.
    @inline(never) func leases() -> [(lease: Lease, length: Int)] {
        var found: [(lease: Lease, length: Int)] = []
        isStarved = false
        while true {
            switch decoder.next(bench.pool) {
            case .frame(let lease, let length): found.append((lease, length))
            case .incomplete: return found
            case .starved:
                isStarved = true
                return found
            case .malformed(let length):
                malformed = length
                return found
            }
        }
    }

    @inline(never) func discard() -> Bool { decoder.discard(bench.pool) }

    /// The frames of a stream that arrives in pieces of the lengths that `piece` gives.
    func frames(of stream: [UInt8], piece: () -> Int) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var rest = stream[...]
        while !rest.isEmpty {
            rest = rest.dropFirst(receive(rest.prefix(max(1, piece()))))
            // Taken one by one, because there are fewer buffers than frames in a piece.
            var isDone = false
            while !isDone {
                let found = leases()
                frames += found.map { bench.take($0.lease, length: $0.length) }
                isDone = !isStarved
            }
        }
        return frames
    }
}

@Suite("Decoding a stream into frames") struct FrameDecoderTests {
    private static let lengths = [26, 27, 66, 90, 1_526, 2_048, 2_049, 2_060, 9_014, 16_400, 40_000, 65_000, 65_547]

    @Test("gives the same frames however the stream is split", arguments: StreamFraming.allCases, [UInt64](1...12))
    func splits(framing: StreamFraming, seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        let frames = (0..<40).map { _ in
            FramedStream.frame(Self.lengths[Int(noise.next() % UInt64(Self.lengths.count))], framing, &noise)
        }
        let stream = frames.flatMap { FramedStream.encode($0, framing) }
        let bench = DecoderBench(framing)
        let scale = [1, 7, 100, 5_000, 200_000][Int(seed % 5)]
        #expect(bench.frames(of: stream) { Int(noise.next() % UInt64(scale)) + 1 } == frames)
        #expect(bench.bench.leased == 0)
        #expect(!bench.discard())
    }

    @Test("takes every byte alone", arguments: StreamFraming.allCases)
    func bytes(framing: StreamFraming) {
        var noise = SeededNoise(seed: 1)
        let frames = [26, 3_000, 26, 2_049, 60].map { FramedStream.frame($0, framing, &noise) }
        let stream = frames.flatMap { FramedStream.encode($0, framing) }
        #expect(DecoderBench(framing).frames(of: stream) { 1 } == frames)
    }

    @Test("refuses a length that no frame has", arguments: StreamFraming.allCases)
    func malformed(framing: StreamFraming) {
        var noise = SeededNoise(seed: 1)
        let least = framing == .agent ? 26 : 14
        let most = framing == .vpnkit ? 65_535 : framing == .agent ? 65_565 : 65_553
        let wrong = [0, 1, least - 1] + (framing == .vpnkit ? [] : [most + 1, 0xFF_FFFF, 0xFFFF_FFFF])
        for length in wrong {
            let bench = DecoderBench(framing)
            let good = FramedStream.frame(100, framing, &noise)
            let stream = FramedStream.encode(good, framing) + FramedStream.prefix(length, framing)
            #expect(bench.frames(of: stream + [1, 2, 3]) { 5 } == [good])
            #expect(bench.malformed == length)
        }
        for length in [least, most] {
            let bench = DecoderBench(framing)
            _ = bench.receive(FramedStream.prefix(length, framing)[...])
            #expect(bench.leases().isEmpty && bench.malformed == nil)
        }
    }

    @Test("waits for buffers and loses nothing", arguments: StreamFraming.allCases, [60, 5_000])
    func starvation(framing: StreamFraming, length: Int) {
        var noise = SeededNoise(seed: 5)
        let frames = (0..<3).map { _ in FramedStream.frame(length, framing, &noise) }
        let stream = frames.flatMap { FramedStream.encode($0, framing) }
        let bench = DecoderBench(framing, large: 1, small: 1)
        var held = [bench.bench.lease(.large), bench.bench.lease(.small)]
        #expect(bench.receive(stream[...]) == stream.count)
        #expect(bench.leases().isEmpty && bench.isStarved)
        #expect(bench.leases().isEmpty && bench.isStarved)
        held.forEach(bench.bench.release)
        held = []
        var found: [[UInt8]] = []
        while found.count < 3 {
            for item in bench.leases() { found.append(bench.bench.take(item.lease, length: item.length)) }
        }
        #expect(found == frames)
    }

    @Test("discards what was cut off by the end", arguments: StreamFraming.allCases, [60, 5_000])
    func ends(framing: StreamFraming, length: Int) {
        var noise = SeededNoise(seed: 6)
        let bytes = FramedStream.encode(FramedStream.frame(length, framing, &noise), framing)
        for count in [1, 3, 20, bytes.count - 1] {
            let bench = DecoderBench(framing)
            #expect(bench.frames(of: Array(bytes.prefix(count))) { 1_000 }.isEmpty)
            #expect(bench.discard())
            #expect(bench.bench.leased == 0)
        }
    }

    @Test func `receives super-frames that follow each other right where they stay`() {
        var noise = SeededNoise(seed: 7)
        let bench = DecoderBench(.agent)
        let frame = FramedStream.encode(FramedStream.frame(60_000, .agent, &noise), .agent)
        #expect(bench.receive(frame.prefix(4)) == 4)
        #expect(bench.leases().isEmpty)
        for _ in 0..<5 {
            // All of the frame, and the length of the next.
            #expect(bench.room() == 60_004)
            #expect(bench.receive((frame + frame).dropFirst(4)[...]) == 60_004)
            let leases = bench.leases()
            #expect(leases.map(\.length) == [60_000])
            leases.forEach { bench.bench.release($0.lease) }
        }
    }
}
