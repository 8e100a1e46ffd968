internal import RingwayModel

/// Builds the ethernet frame of a model guest's segment, byte by byte from the RFCs.
struct GuestFrameBuilder {
    static var guestMAC: UInt64 { 0x0200_0000_0002 }

    let script: FlowScript
    let segmentSize: Int

    func frame(
        _ segment: Segment, options: [UInt8], payloadLength: Int, leavesChecksum: Bool,
        fill: (UnsafeMutableRawPointer) -> Void
    ) -> [UInt8] {
        let ipLength = script.isIPv6 ? 40 : 20
        let tcp = FrameLayout.ip + ipLength
        let payload = tcp + 20 + options.count
        var frame = [UInt8](repeating: 0, count: payload + payloadLength)
        writeEthernet(&frame)
        writeIP(&frame)
        FrameLayout.put(segment.sourcePort, &frame, tcp)
        FrameLayout.put(segment.destinationPort, &frame, tcp + 2)
        FrameLayout.putLong(segment.sequence, &frame, tcp + 4)
        FrameLayout.putLong(segment.acknowledgement, &frame, tcp + 8)
        frame[tcp + 12] = UInt8((20 + options.count) / 4) << 4
        frame[tcp + 13] = segment.flags.rawValue
        FrameLayout.put(segment.window, &frame, tcp + 14)
        frame.replaceSubrange(tcp + 20..<payload, with: options)
        if payloadLength > 0 {
            frame.withUnsafeMutableBytes { bytes in
                if let base = bytes.baseAddress { fill(base + payload) }
            }
        }
        if leavesChecksum {
            let sum = FrameLayout.pseudoHeader(frame, tcpLength: frame.count - tcp)
            FrameLayout.put(Int(sum), &frame, tcp + 16)
            frame[0] = 1
            frame[6] = UInt8(14 + ipLength)
            frame[8] = 16
            if payloadLength > segmentSize {
                frame[1] = script.isIPv6 ? 4 : 1
                frame[2] = UInt8(payload - FrameLayout.virtio)
                frame[4] = UInt8(segmentSize & 255)
                frame[5] = UInt8(segmentSize >> 8)
            }
        } else {
            FrameLayout.completeChecksum(&frame)
        }
        return frame
    }

    private func writeEthernet(_ frame: inout [UInt8]) {
        let at = FrameLayout.virtio
        let gateway = 0x5255_0000_0001 as UInt64
        for index in 0..<6 {
            frame[at + index] = UInt8(truncatingIfNeeded: gateway >> UInt64(40 - 8 * index))
            frame[at + 6 + index] = UInt8(truncatingIfNeeded: Self.guestMAC >> UInt64(40 - 8 * index))
        }
        FrameLayout.put(script.isIPv6 ? 0x86DD : 0x0800, &frame, at + 12)
    }

    private func writeIP(_ frame: inout [UInt8]) {
        let at = FrameLayout.ip
        if script.isIPv6 {
            frame[at] = 0x60
            FrameLayout.put(frame.count - at - 40, &frame, at + 4)
            frame[at + 6] = 6
            frame[at + 7] = 64
            put(script.guest.address, &frame, at + 8)
            put(script.remote.address, &frame, at + 24)
        } else {
            frame[at] = 0x45
            frame[at + 6] = 0x40
            frame[at + 8] = 64
            frame[at + 9] = 6
            put(script.guest.address, &frame, at + 12)
            put(script.remote.address, &frame, at + 16)
            FrameLayout.completeIPv4Header(&frame)
        }
    }

    private func put(_ address: IPAddress, _ frame: inout [UInt8], _ at: Int) {
        if script.isIPv6 {
            for index in 0..<8 {
                frame[at + index] = UInt8(truncatingIfNeeded: address.ipv6.high >> UInt64(56 - 8 * index))
                frame[at + 8 + index] = UInt8(truncatingIfNeeded: address.ipv6.low >> UInt64(56 - 8 * index))
            }
        } else {
            FrameLayout.putLong(address.ipv4.rawValue, &frame, at)
        }
    }
}
