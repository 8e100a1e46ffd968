internal import RingwayStorage
internal import RingwayWire

/// ICMP errors from the guest about segments of ours.
extension Stack {
    /// RFC 5927 §4.1: only what is on its way can have met anything.
    mutating func segmentReturned(_ error: GuestError) {
        guard let reference = table.find(error.flowKey), reference.kind == .tcp,
            let flow = connections.pointer(inSlot: reference.slot)
        else { return }
        let sequence = error.quoted.sequence
        guard !sequence.precedes(flow.pointee.sndUna), sequence.precedes(flow.pointee.sndNxt) else { return }
        switch error.reason {
        case .packetTooBig(let mtu):
            // Routers from before RFC 1191 do not say how large a packet may be.
            let isKnown = mtu > 0 || !flow.pointee.key.remote.isIPv4
            lowerSegmentSize(flow, mtu: isKnown ? mtu : TCPBounds.plateau(below: error.quoted.length))
        case .portUnreachable, .unreachable, .other:
            // A connection that exists is kept: its segments are sent again until something changes, or time is out
            // (RFC 5927 §5). One that a client of the host's waits for has its answer.
            guard flow.pointee.state == .synSent else { return }
            counters.add(.tcpRefused)
            abort(flow, towardGuest: false, towardHost: true)
        }
    }

    /// A link in the guest is smaller than the segments: smaller ones take the place of those on their way (RFC 1191 §6.4).
    private mutating func lowerSegmentSize(_ flow: UnsafeMutablePointer<TCPConnection>, mtu: Int) {
        let ipv4 = flow.pointee.key.remote.isIPv4
        let size = max(mtu, TCPBounds.leastMTU(ipv4: ipv4)) - (ipv4 ? 40 : 60) - Int(flow.pointee.optionLength)
        guard size < Int(flow.pointee.segmentSize) else { return }
        flow.pointee.setSegmentSize(UInt16(truncatingIfNeeded: size))
        counters.add(.tcpSegmentSizeLowered)
        guard flow.pointee.state != .synSent, flow.pointee.state != .synReceived else { return }
        resendAll(flow)
    }
}

extension TCPBounds {
    /// The smallest MTU that is believed: Linux's `min_pmtu`, and the least that IPv6 allows.
    static func leastMTU(ipv4: Bool) -> Int { ipv4 ? 552 : 1_280 }

    /// The next smaller MTU that links have (RFC 1191 §7).
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
