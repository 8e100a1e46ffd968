import RingwayLinks
import TestSupport

/// Frames as they lie in a stream, written by hand.
enum FramedStream {
    /// A frame, from its virtio-net header on, behind its length; without that header where the framing has none.
    static func encode(_ frame: [UInt8], _ framing: StreamFraming) -> [UInt8] {
        let content = framing == .agent ? frame : Array(frame[12...])
        return prefix(content.count, framing) + content
    }

    static func prefix(_ length: Int, _ framing: StreamFraming) -> [UInt8] {
        let big = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
        return switch framing {
        case .qemu: big
        case .agent: big.reversed()
        case .vpnkit: [big[3], big[2]]
        }
    }

    /// Any frame of so many bytes, virtio-net header included; zeros where a framing would not carry it.
    static func frame(_ length: Int, _ framing: StreamFraming, _ noise: inout SeededNoise) -> [UInt8] {
        let header = framing == .agent ? noise.bytes(12) : [UInt8](repeating: 0, count: 12)
        return header + noise.bytes(length - 12)
    }

    /// The frames in a stream, whole or not.
    static func frames(_ stream: [UInt8], _ framing: StreamFraming) -> [[UInt8]] {
        var frames: [[UInt8]] = []
        var position = 0
        let size = framing == .vpnkit ? 2 : 4
        while position + size <= stream.count {
            let prefix = stream[position..<position + size]
            let length = (framing == .qemu ? Array(prefix) : prefix.reversed()).reduce(0) { $0 << 8 | Int($1) }
            position += size
            frames.append(Array(stream[position..<min(position + length, stream.count)]))
            position += length
        }
        return frames
    }
}
