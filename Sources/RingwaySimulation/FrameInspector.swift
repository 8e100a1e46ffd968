internal import RingwayModel
internal import RingwayWire

/// Checks that a guest's kernel would accept a frame of the stack. In TCP it checks every length, checksum and
/// offload field; other frames only have to come from the gateway and pass the parser of `RingwayWire`.
struct FrameInspector {
    let plan: NetworkPlan
    /// The only valid destination MAC address of TCP frames; `nil` if the address is not checked.
    let guestMAC: UInt64?

    /// Returns the fault, or `nil`. A TCP segment may have at most `segmentLimit` bytes of payload; `nil` for no
    /// limit.
    func fault(in frame: [UInt8], segmentLimit: Int?) -> String? {
        if let fault = ethernetFault(frame) { return fault }
        var summary = FrameSummary()
        let reason = frame.withUnsafeBytes { FrameSummary.parse($0, into: &summary) }
        guard reason == .none else {
            let headers = frame.prefix(96).map { String($0, radix: 16) }.joined(separator: " ")
            return "the frame's own parser refuses it: \(reason): \(headers)"
        }
        guard summary.kind == .tcp else { return nil }
        return ipFault(frame) ?? tcpFault(frame, segmentLimit: segmentLimit)
    }

    private func ethernetFault(_ frame: [UInt8]) -> String? {
        guard frame.count >= FrameLayout.ip + 20 else { return "a frame of \(frame.count) bytes" }
        guard frame.count <= FrameLayout.ip + 65_535 else { return "more than an IP packet holds" }
        let source = frame[FrameLayout.virtio + 6..<FrameLayout.virtio + 12].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard source == plan.gatewayMAC.rawValue else { return "a source that is not the gateway" }
        return nil
    }

    private func ipFault(_ frame: [UInt8]) -> String? {
        let at = FrameLayout.ip
        if FrameLayout.isIPv4(frame) {
            guard FrameLayout.word(frame, at + 2) == frame.count - at else { return "IPv4 length" }
            guard FrameLayout.sum(frame[at..<at + 20]) == 0xFFFF else { return "IPv4 checksum" }
        } else {
            guard FrameLayout.word(frame, at + 4) == frame.count - at - 40 else { return "IPv6 length" }
        }
        return nil
    }

    private func tcpFault(_ frame: [UInt8], segmentLimit: Int?) -> String? {
        let ipLength = FrameLayout.ipHeaderLength(frame)
        let tcp = FrameLayout.ip + ipLength
        guard let segment = Segment(readingFrom: frame) else { return "TCP options" }
        let destination = frame[FrameLayout.virtio..<FrameLayout.virtio + 6].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        if let guestMAC, destination != guestMAC { return "a destination that is not the guest" }
        guard frame[0] == 1, FrameLayout.littleWord(frame, 6) == 14 + ipLength, FrameLayout.littleWord(frame, 8) == 16
        else { return "the place of the partial checksum" }
        let partial = FrameLayout.pseudoHeader(frame, tcpLength: frame.count - tcp)
        let written = UInt64(FrameLayout.word(frame, tcp + 16))
        guard written % 0xFFFF == partial % 0xFFFF else { return "the partial checksum" }

        let segmentSize = FrameLayout.littleWord(frame, 4)
        let payload = segment.payload.count
        if frame[1] == 0 {
            guard frame.count - FrameLayout.ip <= plan.mtu else { return "a packet above the MTU" }
            if let limit = segmentLimit, payload > limit { return "a segment of \(payload), the guest takes \(limit)" }
        } else {
            guard frame[1] == (ipLength == 20 ? 1 : 4) else { return "the type of segmentation" }
            guard segmentSize > 0, segmentSize < payload else { return "segments of \(segmentSize) for \(payload)" }
            guard FrameLayout.littleWord(frame, 2) == segment.payload.lowerBound - FrameLayout.virtio else {
                return "the length of the headers"
            }
            let headers = segment.payload.lowerBound - FrameLayout.ip
            guard segmentSize + headers <= plan.mtu else { return "segments above the MTU" }
            if let limit = segmentLimit, segmentSize > limit { return "segments of \(segmentSize) for \(limit)" }
            guard segment.flags.isDisjoint(with: [.syn, .fin, .rst]) else {
                return "a super-frame with \(segment.flags)"
            }
        }
        return nil
    }
}
