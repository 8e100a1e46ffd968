internal import RingwayWire

// Slices of a frame by the offsets of its summary. The offsets were checked when the frame was parsed; since a service
// gets frame and summary separately, the bounds are checked again.

extension FrameSummary {
    /// The transport header and its payload, or `nil` if the frame is shorter than the summary says.
    func checkedMessage(in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        slice(frame, from: Int(transportOffset))
    }

    /// The bytes after the transport header, or `nil` if the frame is shorter than the summary says.
    func checkedPayload(in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        slice(frame, from: Int(payloadOffset))
    }

    /// The IP packet, with any padding after it, or `nil` if the frame is shorter than the summary says.
    func checkedPacket(in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard Int(networkOffset) <= frame.count else { return nil }
        return UnsafeRawBufferPointer(rebasing: frame[Int(networkOffset)...])
    }

    /// Whether an ICMP message belongs to a flow rather than to neighbour discovery. This is true of every ICMPv4
    /// message, and of ICMPv6 errors (types below 128, RFC 4443 §2.1) and echo requests (type 128).
    func isEchoOrError(in frame: UnsafeRawBufferPointer) -> Bool {
        !isIPv6 || frame[Int(transportOffset)] <= ICMPv6Header.echoRequest
    }

    /// The ICMP message if it is an echo request, or `nil`. The headers of the two families have the same layout.
    func echoRequest(in frame: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let type = isIPv6 ? ICMPv6Header.echoRequest : ICMPv4Header.echoRequest
        guard let message = checkedMessage(in: frame), ICMPv4Header(message)?.type == type else { return nil }
        return message
    }

    private func slice(_ frame: UnsafeRawBufferPointer, from start: Int) -> UnsafeRawBufferPointer? {
        let end = Int(payloadOffset) + Int(payloadLength)
        guard start <= end, end <= frame.count else { return nil }
        return UnsafeRawBufferPointer(rebasing: frame[start..<end])
    }
}
