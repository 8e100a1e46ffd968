internal import RingwayCapture
internal import RingwayWire

/// A shard's access to the capture. If there is no capture, the only cost is the callers' comparison.
struct FrameCapture {
    /// Whether frames are captured.
    private(set) var isOn: Bool
    private var capture: CaptureSession?

    init(_ capture: CaptureSession?) {
        self.capture = capture
        isOn = capture != nil
    }

    /// - Parameters:
    ///   - head: a virtio-net header and the frame, or its first piece.
    ///   - payload: the second piece; `nil` for none.
    func append(
        _ direction: CaptureWriter.Direction, _ head: UnsafeRawBufferPointer,
        _ payload: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        guard head.count > VirtioNetHeader.length else { return }
        capture?.append(direction, UnsafeRawBufferPointer(rebasing: head[VirtioNetHeader.length...]), payload)
    }
}
