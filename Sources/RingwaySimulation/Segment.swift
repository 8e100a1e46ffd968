/// A TCP segment as read and written by the model guest.
struct Segment {
    struct Flags: OptionSet {
        let rawValue: UInt8
        static let fin = Flags(rawValue: 1)
        static let syn = Flags(rawValue: 2)
        static let rst = Flags(rawValue: 4)
        static let psh = Flags(rawValue: 8)
        static let ack = Flags(rawValue: 16)
    }

    var sourcePort = 0
    var destinationPort = 0
    var sequence: UInt32 = 0
    var acknowledgement: UInt32 = 0
    var flags: Flags = []
    var window = 0
    var maximumSegmentSize: Int?
    var windowScale: Int?
    var permitsSACK = false
    var blocks: [SACKBounds] = []
    var stamp: Stamp?
    /// The range of the payload in the frame.
    var payload = 0..<0

    /// The length in sequence space.
    var extent: Int { payload.count + (flags.contains(.syn) ? 1 : 0) + (flags.contains(.fin) ? 1 : 0) }

    init() {}

    /// Parses the TCP part of a frame with a valid IP part; `nil` if it is malformed.
    init?(readingFrom frame: [UInt8]) {
        let tcp = FrameLayout.ip + FrameLayout.ipHeaderLength(frame)
        guard frame.count >= tcp + 20 else { return nil }
        let headerLength = Int(frame[tcp + 12] >> 4) * 4
        guard headerLength >= 20, tcp + headerLength <= frame.count else { return nil }
        sourcePort = FrameLayout.word(frame, tcp)
        destinationPort = FrameLayout.word(frame, tcp + 2)
        sequence = FrameLayout.long(frame, tcp + 4)
        acknowledgement = FrameLayout.long(frame, tcp + 8)
        flags = Flags(rawValue: frame[tcp + 13])
        window = FrameLayout.word(frame, tcp + 14)
        payload = tcp + headerLength..<frame.count
        guard readOptions(frame, tcp + 20..<tcp + headerLength) else { return nil }
    }

    private mutating func readOptions(_ frame: [UInt8], _ options: Range<Int>) -> Bool {
        var at = options.lowerBound
        while at < options.upperBound, frame[at] != 0 {
            if frame[at] == 1 {
                at += 1
                continue
            }
            guard at + 1 < options.upperBound else { return false }
            let length = Int(frame[at + 1])
            guard length >= 2, at + length <= options.upperBound else { return false }
            switch (frame[at], length) {
            case (2, 4): maximumSegmentSize = FrameLayout.word(frame, at + 2)
            case (3, 3): windowScale = Int(frame[at + 2])
            case (4, 2): permitsSACK = true
            case (5, let length) where length % 8 == 2:
                for block in stride(from: at + 2, to: at + length, by: 8) {
                    blocks.append(
                        .init(start: FrameLayout.long(frame, block), end: FrameLayout.long(frame, block + 4)))
                }
            case (8, 10):
                stamp = Stamp(value: FrameLayout.long(frame, at + 2), echo: FrameLayout.long(frame, at + 6))
            case (2...5, _), (8, _): return false
            default: break
            }
            at += length
        }
        return true
    }

    /// The options as bytes, padded to a multiple of four: with NOPs before them, or with zeros (end of list) after
    /// them.
    func options(padFirst: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        if let size = maximumSegmentSize { bytes += [2, 4, UInt8(size >> 8), UInt8(size & 255)] }
        if let scale = windowScale { bytes += [3, 3, UInt8(scale)] }
        if permitsSACK { bytes += [4, 2] }
        if let stamp { bytes += [8, 10] + Self.bytes(stamp.value) + Self.bytes(stamp.echo) }
        if !blocks.isEmpty {
            bytes += [5, UInt8(2 + 8 * blocks.count)]
            for block in blocks { bytes += Self.bytes(block.start) + Self.bytes(block.end) }
        }
        let padding = -bytes.count & 3
        return padFirst
            ? [UInt8](repeating: 1, count: padding) + bytes : bytes + [UInt8](repeating: 0, count: padding)
    }

    private static func bytes(_ word: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> UInt32($0)) }
    }
}

/// The timestamps of RFC 7323 §3.
struct Stamp {
    var value: UInt32
    var echo: UInt32

    /// Whether one timestamp precedes another, modulo 2^32.
    static func isEarlier(_ first: UInt32, _ second: UInt32) -> Bool { Int32(bitPattern: first &- second) < 0 }
}

/// A SACK block. Its end is numerically less than its start if sequence numbers wrap within it.
struct SACKBounds {
    var start: UInt32
    var end: UInt32
}

extension Segment: CustomStringConvertible {
    var description: String {
        var names = ""
        for (flag, name) in [(Flags.syn, "S"), (.fin, "F"), (.rst, "R"), (.psh, "P"), (.ack, ".")]
        where flags.contains(flag) {
            names += name
        }
        let sack = blocks.isEmpty ? "" : " sack " + blocks.map { "\($0.start)-\($0.end)" }.joined(separator: ",")
        let clocks = stamp.map { " ts \($0.value)/\($0.echo)" } ?? ""
        return "\(sourcePort)>\(destinationPort) [\(names)] seq \(sequence) len \(payload.count) "
            + "ack \(acknowledgement) win \(window)\(sack)\(clocks)"
    }
}
