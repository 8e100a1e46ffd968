import RingwayWire
import TestSupport
import Testing

/// Frames nobody meant. What follows the frame in memory is unmapped, so that to read beyond it is to crash.
@Suite("Frames of noise") struct FrameNoiseTests {
    private let buffer = GuardedBuffer(capacity: 8_192)

    /// Whatever is accepted must lie inside the frame.
    private func check(_ frame: [UInt8]) -> DropReason {
        var summary = FrameSummary()
        let reason = FrameSummary.parse(buffer.place(frame), into: &summary)
        if reason == .none {
            #expect(summary.networkOffset == 14)
            #expect(
                summary.transportOffset >= summary.networkOffset && summary.payloadOffset >= summary.transportOffset)
            #expect(12 + Int(summary.payloadOffset) + Int(summary.payloadLength) <= frame.count)
        }
        return reason
    }

    @Test("any bytes at all", arguments: [UInt64](1...32))
    func noise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        for _ in 0..<500 {
            var frame = noise.bytes(Int(noise.next() % 200))
            if frame.count >= 26 {
                frame[18] &= 0xFE
                let types: [[UInt8]] = [[8, 0], [8, 6], [0x86, 0xDD]]
                frame.replaceSubrange(24..<26, with: types[Int(noise.next() % 3)])
            }
            _ = check(frame)
        }
    }

    @Test("good frames with a few bytes spoilt, checksums trusted", arguments: [UInt64](1...32))
    func mutation(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        var accepted = 0
        for _ in 0..<500 {
            let original = KernelFrame.all[Int(noise.next() % UInt64(KernelFrame.all.count))].bytes
            var frame = written(12, VirtioNetFields(flags: VirtioNetHeader.dataValid).write(to:)) + original
            for _ in 0..<noise.next() % 4 {
                frame[26 + Int(noise.next() % UInt64(frame.count - 26))] = UInt8(truncatingIfNeeded: noise.next())
            }
            // The header's own checksum would hide what is behind it.
            if frame[24] == 0x08, frame[25] == 0x00 { frame = frame.replacingInIPv4(at: 1, with: frame[27]) }
            if noise.next() % 4 == 0 { frame.removeLast(Int(noise.next() % UInt64(frame.count))) }
            if check(frame) == .none { accepted += 1 }
        }
        #expect(accepted > 50, "mutations should not all be refused")
    }

    @Test("good frames cut anywhere", arguments: KernelFrame.all)
    func truncation(_ frame: KernelFrame) {
        let whole = written(12, VirtioNetFields().write(to:)) + frame.bytes
        for count in 0..<whole.count { #expect(check(Array(whole.prefix(count))) != .none) }
        #expect(check(whole) == .none)
    }
}
