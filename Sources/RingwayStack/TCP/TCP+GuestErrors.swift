internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// ICMP errors from the guest about segments of the stack.
extension TCP {
    /// Handles an ICMP error. An error is ignored unless it quotes a segment in flight, because no other segment can
    /// have caused it (RFC 5927 §4.1).
    mutating func returned(_ error: GuestError, _ core: inout StackCore) {
        guard let reference = core.table.find(error.flowKey), reference.kind == .tcp,
            let flow = connections.pointer(inSlot: reference.slot)
        else { return }
        let sequence = error.quoted.sequence
        guard !sequence.precedes(flow.pointee.send.una), sequence.precedes(flow.pointee.send.nxt) else { return }
        switch error.reason {
        case .packetTooBig(let mtu):
            // Routers older than RFC 1191 do not report an MTU.
            let isKnown = mtu > 0 || !flow.pointee.key.remote.isIPv4
            lowerSegmentSize(flow, mtu: isKnown ? mtu : TCPBounds.plateau(below: error.quoted.length), &core)
        case .portUnreachable, .unreachable, .other:
            // In SYN-SENT the client of a published port is reset at once. In other states the connection survives:
            // its segments are retransmitted until one arrives or the limit is reached (RFC 5927 §5).
            guard flow.pointee.state == .synSent else { return }
            core.counters.add(.tcpRefused)
            abort(flow, towardGuest: false, towardHost: true, &core)
        }
    }

    /// A link in or behind the guest has a smaller MTU: reduces the segment size and retransmits the data in flight
    /// (RFC 1191 §6.4).
    private mutating func lowerSegmentSize(_ flow: TCPFlow, mtu: Int, _ core: inout StackCore) {
        let ipv4 = flow.pointee.key.remote.isIPv4
        let size = max(mtu, TCPBounds.leastMTU(ipv4: ipv4)) - (ipv4 ? 40 : 60) - Int(flow.pointee.optionLength)
        guard size < Int(flow.pointee.send.segmentSize) else { return }
        flow.pointee.setSegmentSize(UInt16(truncatingIfNeeded: size))
        core.counters.add(.tcpSegmentSizeLowered)
        guard flow.pointee.state != .synSent, flow.pointee.state != .synReceived else { return }
        resendAll(flow, &core)
    }
}

extension TCPBounds {
    /// The smallest accepted MTU: Linux's `min_pmtu`, and the IPv6 minimum.
    static func leastMTU(ipv4: Bool) -> Int { ipv4 ? 552 : 1_280 }

    /// The next smaller of the MTUs that are common on links (RFC 1191 §7), at least `leastMTU`.
    static func plateau(below length: Int) -> Int {
        switch length {
        case 32_001...: 32_000
        case 17_915...: 17_914
        case 8_167...: 8_166
        case 4_353...: 4_352
        case 2_003...: 2_002
        case 1_493...: 1_492
        case 1_007...: 1_006
        default: leastMTU(ipv4: true)
        }
    }
}
