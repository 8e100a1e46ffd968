internal import RingwayModel
internal import RingwayStack
internal import RingwayWire

/// Frames of a guest: datagrams, and the frames by which it announces its addresses before other traffic.
enum GuestNeighborFrames {
    private static func ethernet(_ type: Int, to destination: UInt64, count: Int) -> [UInt8] {
        var frame = [UInt8](repeating: 0, count: FrameLayout.ip + count)
        for index in 0..<6 {
            frame[FrameLayout.virtio + index] = UInt8(truncatingIfNeeded: destination >> UInt64(40 - 8 * index))
            frame[FrameLayout.virtio + 6 + index] = UInt8(
                truncatingIfNeeded: GuestFrameBuilder.guestMAC >> UInt64(40 - 8 * index))
        }
        FrameLayout.put(type, &frame, FrameLayout.virtio + 12)
        return frame
    }

    private static func putMAC(_ frame: inout [UInt8], _ at: Int) {
        for index in 0..<6 {
            frame[at + index] = UInt8(truncatingIfNeeded: GuestFrameBuilder.guestMAC >> UInt64(40 - 8 * index))
        }
    }

    /// An ARP request for the gateway (RFC 826).
    static func announceIPv4(_ plan: NetworkPlan) -> [UInt8] {
        var frame = ethernet(0x0806, to: 0xFFFF_FFFF_FFFF, count: 28)
        let at = FrameLayout.ip
        FrameLayout.put(1, &frame, at)
        FrameLayout.put(0x0800, &frame, at + 2)
        frame[at + 4] = 6
        frame[at + 5] = 4
        FrameLayout.put(1, &frame, at + 6)
        putMAC(&frame, at + 8)
        FrameLayout.putLong(plan.firstGuestIPv4.rawValue, &frame, at + 14)
        FrameLayout.putLong(plan.gatewayIPv4.rawValue, &frame, at + 24)
        return frame
    }

    /// An unsolicited neighbour advertisement (RFC 4861 §7.2.6).
    static func announceIPv6(_ plan: NetworkPlan) -> [UInt8] {
        var frame = ethernet(0x86DD, to: 0x3333_0000_0001, count: 72)
        let at = FrameLayout.ip
        frame[at] = 0x60
        FrameLayout.put(32, &frame, at + 4)
        frame[at + 6] = 58
        frame[at + 7] = 255
        put(plan.firstGuestIPv6, &frame, at + 8)
        put(IPv6Address(high: 0xFF02 << 48, low: 1), &frame, at + 24)
        let message = at + 40
        frame[message] = 136
        frame[message + 4] = 0x20
        put(plan.firstGuestIPv6, &frame, message + 8)
        frame[message + 24] = 2
        frame[message + 25] = 1
        putMAC(&frame, message + 26)
        let pseudo = FrameLayout.sum(frame[at + 8..<at + 40], 58 + 32)
        FrameLayout.put(Int(~FrameLayout.sum(frame[message...], pseudo) & 0xFFFF), &frame, message + 2)
        return frame
    }

    static func put(_ address: IPv6Address, _ frame: inout [UInt8], _ at: Int) {
        for index in 0..<8 {
            frame[at + index] = UInt8(truncatingIfNeeded: address.high >> UInt64(56 - 8 * index))
            frame[at + 8 + index] = UInt8(truncatingIfNeeded: address.low >> UInt64(56 - 8 * index))
        }
    }

    /// An IPv4 packet of the guest: a UDP datagram or an ICMP echo request, with checksums.
    static func datagram(
        from guest: TransportAddress, to remote: TransportAddress, payload: [UInt8], echo sequence: Int?
    ) -> [UInt8] {
        var frame = ethernet(0x0800, to: 0x5255_0000_0001, count: 28 + payload.count)
        let at = FrameLayout.ip
        frame[at] = 0x45
        frame[at + 8] = 64
        frame[at + 9] = sequence == nil ? 17 : 1
        FrameLayout.putLong(guest.address.ipv4.rawValue, &frame, at + 12)
        FrameLayout.putLong(remote.address.ipv4.rawValue, &frame, at + 16)
        FrameLayout.completeIPv4Header(&frame)
        let start = at + 20
        frame.replaceSubrange(start + 8..<frame.count, with: payload)
        if let sequence {
            frame[start] = 8
            FrameLayout.put(Int(guest.port), &frame, start + 4)
            FrameLayout.put(sequence, &frame, start + 6)
            FrameLayout.put(Int(~FrameLayout.sum(frame[start...]) & 0xFFFF), &frame, start + 2)
        } else {
            FrameLayout.put(Int(guest.port), &frame, start)
            FrameLayout.put(Int(remote.port), &frame, start + 2)
            FrameLayout.put(8 + payload.count, &frame, start + 4)
            let pseudo = FrameLayout.sum(frame[at + 12..<at + 20], 17 + UInt64(8 + payload.count))
            let sum = Int(~FrameLayout.sum(frame[start...], pseudo) & 0xFFFF)
            FrameLayout.put(sum == 0 ? 0xFFFF : sum, &frame, start + 6)
        }
        return frame
    }
}
