internal import CRingway
internal import RingwayCapture
internal import RingwayLinks
internal import RingwayStorage
internal import RingwayWire

/// Counting, capturing, and the fill level of the link.
extension LinkPort {
    /// Counts a frame from the guest, and captures it.
    @inline(__always)
    mutating func note(_ frame: Frame, _ bytes: UnsafeRawBufferPointer) {
        counters.add(.framesFromGuest)
        counters.add(.bytesFromGuest, frame.length)
        if capture.isOn { capture.append(.fromGuest, bytes) }
    }

    /// Counts a frame to the guest, and captures it.
    @inline(__always)
    mutating func note(_ frame: OutgoingFrame, _ space: BufferSpace) {
        counters.add(.framesToGuest)
        counters.add(
            .bytesToGuest, Int(frame.length) &+ (frame.payload.isNone ? 0 : Int(frame.payloadLength)))
        if capture.isOn { append(frame, space) }
    }

    private func append(_ frame: OutgoingFrame, _ space: BufferSpace) {
        let start = space.address(of: frame.lease) + Int(frame.offset)
        let head = UnsafeRawBufferPointer(start: start, count: Int(frame.length))
        guard !frame.payload.isNone else { return capture.append(.toGuest, head) }
        let payload = space.address(of: frame.payload) + Int(frame.payloadOffset)
        capture.append(.toGuest, head, UnsafeRawBufferPointer(start: payload, count: Int(frame.payloadLength)))
    }

    /// Whether frames are captured.
    var isCaptured: Bool {
        mutating get { capture.isOn }
    }

    /// Passes all later frames to this capture; `nil` stops capturing.
    mutating func setCapture(_ session: CaptureSession?) { capture = FrameCapture(session) }

    /// Drops a frame because the link is lost.
    mutating func drop(_ frame: OutgoingFrame, _ core: inout ShardCore) {
        counters.add(.linkWritesFailed)
        core.releaseAny(frame.payload)
        core.release(frame.lease)
    }

    /// Whether the guest reads its frames promptly, as far as the host can see: no send is in flight, and at most
    /// `bytes` wait in the socket (SIOCOUTQ). True for a device, which takes frames immediately.
    func isQuiet(below bytes: Int) -> Bool {
        guard let sendQueue else { return true }
        return !sendQueue.pointee.isSending && Int(ringway_unsent(queue.descriptor)) <= bytes
    }
}
