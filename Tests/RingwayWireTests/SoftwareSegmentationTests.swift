import RingwayWire
import TestSupport
import Testing

/// A frame as a virtio-net driver hands it over, and what must become of it, worked out the slow way.
private struct Offloaded {
    /// From the virtio-net header on.
    var frame: [UInt8]
    /// Where the first piece ends.
    var cut: Int
    var expected: [[UInt8]]

    /// A super-frame of TCP or UDP with a checksum left to be done.
    static func superFrame(isIPv6: Bool, isTCP: Bool, payload: Int, size: Int, _ noise: inout SeededNoise) -> Offloaded
    {
        var builder = isIPv6 ? FrameBuilder.ipv6() : FrameBuilder.ipv4()
        let transport = isIPv6 ? 54 : 34
        builder.virtio.flags = VirtioNetHeader.needsChecksum
        builder.virtio.checksumStart = UInt16(transport)
        builder.virtio.checksumOffset = isTCP ? 16 : 6
        builder.virtio.gsoSize = UInt16(size)
        builder.virtio.gsoType =
            isTCP ? (isIPv6 ? VirtioNetHeader.gsoTCPv6 : VirtioNetHeader.gsoTCPv4) : VirtioNetHeader.gsoUDPL4
        let bytes = noise.bytes(payload)
        var options = TCPOptions()
        if noise.next() % 2 == 0 { options.maximumSegmentSize = 1_460 }
        let flags: TCPFlags = [.ack, .psh, .fin, .cwr]
        var frame = isTCP ? builder.tcp(payload: bytes, options: options, flags: flags) : builder.udp(payload: bytes)
        if !isIPv6 { frame = frame.replacingInIPv4(at: 4, with: 0xFF, 0xFE) }
        let headers = 12 + transport + (isTCP ? 20 + options.encodedLength : 8)
        let ethernet = Array(frame[12...])
        return Offloaded(
            frame: frame, cut: headers + Int(noise.next() % UInt64(payload + 1)),
            expected: segments(
                ethernet, isIPv6: isIPv6, isTCP: isTCP, transport: transport, headers: headers - 12, size: size))
    }

    /// RFC 9293, 768, 791, 8200 word by word.
    private static func segments(
        _ frame: [UInt8], isIPv6: Bool, isTCP: Bool, transport: Int, headers: Int, size: Int
    ) -> [[UInt8]] {
        var found: [[UInt8]] = []
        var position = headers
        repeat {
            let end = min(position + size, frame.count)
            var segment = Array(frame[..<headers]) + frame[position..<end]
            let number = found.count
            if isIPv6 {
                segment.put16(segment.count - 54, at: 18)
            } else {
                segment.put16(segment.count - 14, at: 16)
                segment.put16(segment.get16(at: 18) + number, at: 18)
                segment.put16(0, at: 24)
                segment.put16(Int(~definition(Array(segment[14..<transport]))), at: 24)
            }
            if isTCP {
                let sequence =
                    segment.get16(at: transport + 4) << 16 + segment.get16(at: transport + 6) + position - headers
                segment.put16(sequence >> 16, at: transport + 4)
                segment.put16(sequence, at: transport + 6)
                if end < frame.count { segment[transport + 13] &= ~0x09 }
                if number > 0 { segment[transport + 13] &= ~0x80 }
            } else {
                segment.put16(segment.count - transport, at: transport + 4)
            }
            let checksum = transport + (isTCP ? 16 : 6)
            segment.put16(0, at: checksum)
            let addresses = Array(isIPv6 ? segment[22..<54] : segment[26..<34])
            let length = segment.count - transport
            let pseudo = addresses + [0, isTCP ? 6 : 17, UInt8(length >> 8), UInt8(length & 0xFF)]
            let sum = ~definition(pseudo + segment[transport...])
            segment.put16(sum == 0 ? 0xFFFF : Int(sum), at: checksum)
            found.append(segment)
            position = end
        } while position < frame.count
        return found
    }

    /// The Internet checksum's sum (RFC 1071 §1).
    static func definition(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) {
            sum += UInt32(bytes[index]) << 8 | (index + 1 < bytes.count ? UInt32(bytes[index + 1]) : 0)
            sum = sum & 0xFFFF + sum >> 16
        }
        return UInt16(sum)
    }
}

extension [UInt8] {
    fileprivate mutating func put16(_ value: Int, at offset: Int) {
        self[offset] = UInt8(truncatingIfNeeded: value >> 8)
        self[offset + 1] = UInt8(truncatingIfNeeded: value)
    }

    fileprivate func get16(at offset: Int) -> Int { Int(self[offset]) << 8 | Int(self[offset + 1]) }
}

@Suite("Segmentation in software") struct SoftwareSegmentationTests {
    private let head = GuardedBuffer(capacity: 70_000)
    private let rest = GuardedBuffer(capacity: 70_000)

    /// The wire frames of a frame whose pieces each end where unmapped memory begins.
    private func cut(_ frame: [UInt8], at place: Int) -> (refusal: SoftwareSegmentation.Refusal, frames: [[UInt8]]) {
        let first = head.place(Array(frame[..<place]))
        let second = rest.place(Array(frame[place...]))
        var target = [UInt8](repeating: 0xA5, count: 70_000)
        var frames: [[UInt8]] = []
        let refusal = target.withUnsafeMutableBytes { target -> SoftwareSegmentation.Refusal in
            guard let base = target.baseAddress else { return .truncated }
            var segmentation = SoftwareSegmentation(at: base)
            let refusal = segmentation.prepare(first, second)
            while !segmentation.isDone {
                let length = segmentation.nextLength
                base.storeBytes(of: 0xA5, toByteOffset: length, as: UInt8.self)
                segmentation.writeNext(to: base)
                #expect(target[length] == 0xA5, "written beyond the wire frame")
                frames.append(Array(target[..<length]))
            }
            return refusal
        }
        return (refusal, frames)
    }

    @Test("super-frames become what the RFCs say", arguments: [UInt64](1...40))
    func superFrames(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        for _ in 0..<5 {
            let isTCP = noise.next() % 2 == 0
            let size = Int(noise.next() % 1_452) + 8
            let most = isTCP ? 20_000 : size * 128
            let offloaded = Offloaded.superFrame(
                isIPv6: noise.next() % 2 == 0, isTCP: isTCP, payload: Int(noise.next() % UInt64(min(most, 20_000))),
                size: size, &noise)
            let outcome = cut(offloaded.frame, at: offloaded.cut)
            #expect(outcome.refusal == .none)
            #expect(outcome.frames == offloaded.expected)
        }
    }

    @Test func `the largest super-frame in the smallest segments that may be`() {
        var noise = SeededNoise(seed: 8)
        let offloaded = Offloaded.superFrame(isIPv6: true, isTCP: true, payload: 65_400, size: 8, &noise)
        #expect(cut(offloaded.frame, at: offloaded.cut).frames.count == 8_175)
    }

    @Test(arguments: [true, false])
    func `a checksum left to be done is done, wherever the frame is cut`(isIPv6: Bool) {
        let base = isIPv6 ? FrameBuilder.ipv6() : FrameBuilder.ipv4()
        let transport = isIPv6 ? 54 : 34
        let partial = base.with {
            $0.virtio.flags = VirtioNetHeader.needsChecksum
            $0.virtio.checksumStart = UInt16(transport)
            $0.virtio.checksumOffset = 16
        }
        for length in [0, 1, 2, 3, 100, 1_459] {
            let payload = [UInt8](repeating: 0x5B, count: length)
            let whole = Array(base.tcp(payload: payload)[12...])
            var frame = partial.tcp(payload: payload)
            let pseudo = Checksum.pseudoHeader(
                source: base.source, destination: base.destination, protocolNumber: 6, length: 20 + length)
            frame.withUnsafeMutableBytes {
                $0.storeBytes(of: Checksum.fold(pseudo), toByteOffset: 12 + transport + 16, as: UInt16.self)
            }
            for place in stride(from: 12 + transport + 20, through: frame.count, by: 7) {
                let outcome = cut(frame, at: place)
                #expect(outcome.refusal == .none && outcome.frames == [whole])
            }
        }
    }

    @Test func `a finished frame passes as it is`() {
        for kernel in KernelFrame.all {
            let frame = [UInt8](repeating: 0, count: 12) + kernel.bytes
            #expect(cut(frame, at: frame.count).frames == [kernel.bytes])
            #expect(cut(frame, at: 30).frames == [kernel.bytes])
        }
    }

    @Test("a checksum is never written into addresses", arguments: [(0, 6), (14, 12), (33, 0), (22, 2), (30, 1)])
    func misplaced(start: UInt16, offset: UInt16) {
        for builder in [FrameBuilder.ipv4(), .ipv6()] {
            let frame = builder.with {
                $0.virtio.flags = VirtioNetHeader.needsChecksum
                $0.virtio.checksumStart = start
                $0.virtio.checksumOffset = offset
            }.tcp(payload: [1, 2, 3])
            #expect(cut(frame, at: frame.count).refusal == .checksumMisplaced)
        }
    }

    @Test func `what contradicts itself is refused`() {
        func refusal(_ builder: FrameBuilder, _ change: (inout FrameBuilder) -> Void) -> SoftwareSegmentation.Refusal {
            let frame = builder.with {
                $0.virtio = VirtioNetFields(
                    flags: 1, gsoType: $0.isIPv6 ? 4 : 1, gsoSize: 100, checksumStart: $0.isIPv6 ? 54 : 34,
                    checksumOffset: 16)
                change(&$0)
            }.tcp(payload: [UInt8](repeating: 1, count: 500))
            return cut(frame, at: frame.count).refusal
        }
        for builder in [FrameBuilder.ipv4(), .ipv6()] {
            #expect(refusal(builder) { _ in } == .none)
            #expect(refusal(builder) { $0.virtio.flags = 0 } == .checksumMisplaced)
            #expect(refusal(builder) { $0.virtio.checksumOffset = 6 } == .checksumMisplaced)
            #expect(refusal(builder) { $0.virtio.gsoSize = 7 } == .segmentsTooSmall)
            #expect(refusal(builder) { $0.virtio.gsoType = 3 } == .segmentationUnknown)
            #expect(refusal(builder) { $0.virtio.gsoType = 5 } == .segmentationUnknown)
            #expect(refusal(builder) { $0.virtio.gsoType = $0.isIPv6 ? 1 : 4 } == .segmentationUnknown)
            #expect(refusal(builder) { $0.virtio.checksumStart = 55 } != .none)
            #expect(refusal(builder) { $0.ethernet.etherType = EtherType.arp } == .truncated)
        }
    }

    @Test func `a frame that is shorter than it says is refused`() {
        var noise = SeededNoise(seed: 3)
        let offloaded = Offloaded.superFrame(isIPv6: false, isTCP: true, payload: 5_000, size: 1_000, &noise)
        for length in 0..<offloaded.frame.count where length < 90 || length % 97 == 0 {
            #expect(cut(Array(offloaded.frame[..<length]), at: length).refusal != .none)
        }
    }

    @Test func `more datagrams than a kernel makes are refused`() {
        let builder = FrameBuilder.ipv4().with {
            $0.virtio = VirtioNetFields(flags: 1, gsoType: 5, gsoSize: 10, checksumStart: 34, checksumOffset: 6)
        }
        let most = builder.udp(payload: [UInt8](repeating: 1, count: 1_280))
        #expect(cut(most, at: most.count).frames.count == 128)
        let more = builder.udp(payload: [UInt8](repeating: 1, count: 1_281))
        #expect(cut(more, at: more.count).refusal == .segmentsTooSmall)
    }

    @Test("headers of noise make nobody read or write beyond a frame", arguments: [UInt64](1...40))
    func noise(seed: UInt64) {
        var noise = SeededNoise(seed: seed)
        for _ in 0..<50 {
            var frame = Offloaded.superFrame(
                isIPv6: noise.next() % 2 == 0, isTCP: noise.next() % 2 == 0, payload: 300, size: 100, &noise
            ).frame
            for _ in 0...noise.next() % 3 {
                // Mostly the headers that are looked at.
                let place = Int(noise.next() % (noise.next() % 2 == 0 ? 12 : 80))
                frame[place] = UInt8(truncatingIfNeeded: noise.next())
            }
            let sources = Array(frame[18..<24])
            let place = Int(noise.next() % UInt64(frame.count + 1))
            for wire in cut(frame, at: place).frames {
                #expect(wire.count <= frame.count && Array(wire[6..<12]) == sources)
            }
        }
    }
}
