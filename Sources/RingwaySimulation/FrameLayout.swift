/// The layout of a frame, as far as the model needs it. Written from the RFCs and independent of the modules under
/// test.
enum FrameLayout {
    static var virtio: Int { 12 }
    static var ethernet: Int { 14 }
    static var ip: Int { virtio + ethernet }

    static func hasPartialChecksum(_ frame: [UInt8]) -> Bool { frame[0] & 1 != 0 }
    static func isIPv4(_ frame: [UInt8]) -> Bool { frame[virtio + 12] == 0x08 && frame[virtio + 13] == 0x00 }

    static func word(_ frame: [UInt8], _ at: Int) -> Int { Int(frame[at]) << 8 | Int(frame[at + 1]) }
    static func long(_ frame: [UInt8], _ at: Int) -> UInt32 {
        UInt32(word(frame, at)) << 16 | UInt32(word(frame, at + 2))
    }
    static func littleWord(_ frame: [UInt8], _ at: Int) -> Int { Int(frame[at]) | Int(frame[at + 1]) << 8 }

    static func put(_ value: Int, _ frame: inout [UInt8], _ at: Int) {
        frame[at] = UInt8(truncatingIfNeeded: value >> 8)
        frame[at + 1] = UInt8(truncatingIfNeeded: value)
    }
    static func putLong(_ value: UInt32, _ frame: inout [UInt8], _ at: Int) {
        put(Int(value >> 16), &frame, at)
        put(Int(value & 0xFFFF), &frame, at + 2)
    }

    /// The sum of the bytes as 16-bit numbers in network order (RFC 1071), folded but not inverted.
    static func sum(_ bytes: ArraySlice<UInt8>, _ initial: UInt64 = 0) -> UInt64 {
        var total = initial
        bytes.withUnsafeBytes { bytes in
            var at = 0
            while at + 4 <= bytes.count {
                let word = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
                total += UInt64(word >> 16) + UInt64(word & 0xFFFF)
                at += 4
            }
            while at < bytes.count {
                total += UInt64(bytes[at]) << (at & 1 == 0 ? 8 : 0)
                at += 1
            }
        }
        while total > 0xFFFF { total = (total >> 16) + (total & 0xFFFF) }
        return total
    }

    /// The sum of the pseudo-header of a TCP segment of `tcpLength` bytes.
    static func pseudoHeader(_ frame: [UInt8], tcpLength: Int) -> UInt64 {
        let addresses = isIPv4(frame) ? frame[ip + 12..<ip + 20] : frame[ip + 8..<ip + 40]
        return sum(addresses, 6 + UInt64(tcpLength))
    }

    static func ipHeaderLength(_ frame: [UInt8]) -> Int { isIPv4(frame) ? Int(frame[ip] & 15) * 4 : 40 }

    /// Computes the TCP checksum of a frame that needs no segmentation, and clears the virtio-net header.
    static func completeChecksum(_ frame: inout [UInt8]) {
        let tcp = ip + ipHeaderLength(frame)
        put(0, &frame, tcp + 16)
        let total = sum(frame[tcp...], pseudoHeader(frame, tcpLength: frame.count - tcp))
        put(Int(~total & 0xFFFF), &frame, tcp + 16)
        for index in 0..<virtio { frame[index] = 0 }
    }

    static func completeIPv4Header(_ frame: inout [UInt8]) {
        put(frame.count - ip, &frame, ip + 2)
        put(0, &frame, ip + 10)
        put(Int(~sum(frame[ip..<ip + 20]) & 0xFFFF), &frame, ip + 10)
    }

    /// Splits a TCP super-frame (GSO) into one frame per segment, with complete checksums, as a network card does.
    static func cut(_ frame: [UInt8]) -> [[UInt8]] {
        let tcp = ip + ipHeaderLength(frame)
        let payload = tcp + Int(frame[tcp + 12] >> 4) * 4
        let segmentSize = frame[1] == 0 ? frame.count - payload : littleWord(frame, 4)
        var cuts: [[UInt8]] = []
        var position = payload
        repeat {
            let end = min(frame.count, position + segmentSize)
            var cut = Array(frame[..<payload]) + frame[position..<end]
            putLong(long(frame, tcp + 4) &+ UInt32(position - payload), &cut, tcp + 4)
            if end < frame.count { cut[tcp + 13] &= ~0x09 }
            if isIPv4(frame) {
                completeIPv4Header(&cut)
            } else {
                put(cut.count - ip - 40, &cut, ip + 4)
            }
            completeChecksum(&cut)
            cuts.append(cut)
            position = end
        } while position < frame.count
        return cuts
    }
}
