internal import RingwayModel

/// Frames that a script describes rather than contains.
enum ScriptedFrame {
    struct Ends {
        var guest: TransportAddress
        var remote: TransportAddress
        var isIPv6: Bool
    }

    /// The ends of a connection, from one byte of a script: three bits for the connection's number, one for the
    /// address family, and one that is set if the remote end is the host's loopback. The simulation's flow with the
    /// same number has the same ports and addresses.
    static func ends(_ choice: UInt8, _ plan: NetworkPlan) -> Ends {
        let number = UInt16(choice & 7)
        let isIPv6 = choice & 8 != 0
        let guest = isIPv6 ? IPAddress(plan.firstGuestIPv6) : IPAddress(plan.firstGuestIPv4)
        let outside =
            isIPv6
            ? IPAddress(IPv6Address(high: 0x2001_0DB8 << 32, low: UInt64(number) + 1))
            : IPAddress(IPv4Address(198, 51, 100, UInt8(number) + 1))
        let local = isIPv6 ? IPAddress(plan.hostIPv6) : IPAddress(plan.hostIPv4)
        return Ends(
            guest: TransportAddress(address: guest, port: 40_000 + number),
            remote: TransportAddress(address: choice & 16 != 0 ? local : outside, port: 20_000 + number),
            isIPv6: isIPv6)
    }

    /// A segment with sequence numbers near those that the stack expects, from a few bytes of a script.
    static func segment(
        _ choice: UInt8, _ reader: inout ScriptReader, _ positions: [UInt32: ScriptedNetwork.Position],
        _ plan: NetworkPlan
    ) -> [UInt8] {
        let ends = ends(choice, plan)
        let position = positions[UInt32(ends.guest.port) << 16 | UInt32(ends.remote.port)] ?? .init()
        var segment = Segment()
        segment.sourcePort = Int(ends.guest.port)
        segment.destinationPort = Int(ends.remote.port)
        segment.flags = Segment.Flags(rawValue: reader.byte())
        // The two offsets are signed bytes, shifted left by four times the number in the high three bits of `choices`.
        let before = Int8(bitPattern: reader.byte())
        let after = Int8(bitPattern: reader.byte())
        segment.window = Int(reader.integer(2))
        let length = Int(reader.integer(2))
        let choices = reader.byte()
        let shift = Int(choices >> 5) * 4
        segment.sequence = position.acknowledged &+ UInt32(truncatingIfNeeded: Int(before) << shift)
        segment.acknowledgement = position.next &+ UInt32(truncatingIfNeeded: Int(after) << shift)
        if choices & 1 != 0 { segment.maximumSegmentSize = 100 + Int(reader.byte()) * 16 }
        if choices & 2 != 0 { segment.windowScale = Int(reader.byte() & 15) }
        if choices & 4 != 0 { segment.permitsSACK = true }
        if choices & 8 != 0 {
            let start = position.next &- UInt32(reader.integer(2))
            segment.blocks = [SACKBounds(start: start, end: start &+ UInt32(reader.integer(2)))]
        }
        let script = FlowScript(
            isIPv6: ends.isIPv6, guest: ends.guest, remote: ends.remote, hostAddress: ends.remote)
        let builder = GuestFrameBuilder(script: script, segmentSize: 1_400)
        return builder.frame(
            segment, options: segment.options(padFirst: true), payloadLength: min(length, 60_000), leavesChecksum: true
        ) { target in
            StreamPattern(seed: 1).fill(target, min(length, 60_000), from: 0)
        }
    }

    /// Corrects what almost every mutation breaks: computes the IPv4 header's checksum, and marks the transport
    /// checksum as partial, so that the parser does not verify it.
    static func repair(_ frame: inout [UInt8]) {
        guard frame.count >= FrameLayout.ip + 20 else { return }
        let at = FrameLayout.ip
        var transport = at + 40
        if FrameLayout.isIPv4(frame) {
            let length = Int(frame[at] & 15) * 4
            guard length >= 20, at + length <= frame.count else { return }
            FrameLayout.put(0, &frame, at + 10)
            FrameLayout.put(Int(~FrameLayout.sum(frame[at..<at + length]) & 0xFFFF), &frame, at + 10)
            transport = at + length
        } else if FrameLayout.word(frame, FrameLayout.virtio + 12) != 0x86DD {
            return
        }
        let protocolNumber = FrameLayout.isIPv4(frame) ? frame[at + 9] : frame[at + 6]
        let offsets: [UInt8: UInt8] = [1: 2, 6: 16, 17: 6, 58: 2]
        guard let offset = offsets[protocolNumber] else { return }
        frame[0] |= 1
        frame[6] = UInt8(truncatingIfNeeded: transport - FrameLayout.virtio)
        frame[7] = 0
        frame[8] = offset
        frame[9] = 0
    }
}
