internal import RingwayWire

// A summary's offsets were checked against the frame it was made from. Services are given both separately, so they
// compare once more rather than trust that the two belong together.

extension FrameSummary {
    /// The transport header and its payload, or `nil` when the summary is not this frame's.
    func checkedMessage(in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        slice(frame, from: Int(transportOffset))
    }

    /// What follows the transport header, or `nil` when the summary is not this frame's.
    func checkedPayload(in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        slice(frame, from: Int(payloadOffset))
    }

    /// The IP packet, with whatever padding follows it, or `nil` when the summary is not this frame's.
    func checkedPacket(in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard Int(networkOffset) <= frame.count else { return nil }
        return UnsafeRawBufferPointer(rebasing: frame[Int(networkOffset)...])
    }

    /// Whether an ICMP message belongs to a flow, not to neighbour discovery: of ICMPv6 errors are below 128
    /// (RFC 4443 §2.1).
    func isEchoOrError(in frame: UnsafeRawBufferPointer) -> Bool {
        !isIPv6 || frame[Int(transportOffset)] <= ICMPv6Header.echoRequest
    }

    private func slice(_ frame: UnsafeRawBufferPointer, from start: Int) -> UnsafeRawBufferPointer? {
        let end = Int(payloadOffset) + Int(payloadLength)
        guard start <= end, end <= frame.count else { return nil }
        return UnsafeRawBufferPointer(rebasing: frame[start..<end])
    }
}
