internal import RingwayCapture
internal import RingwayWire

/// The capture of a guest's frames, as one part of the guest uses it. Callers check `isOn` first. While nothing is
/// captured, capturing costs a frame only this check.
struct FrameCapture {
    /// Whether frames are captured.
    private(set) var isOn: Bool
    private var capture: CaptureSession?

    init(_ capture: CaptureSession?) {
        self.capture = capture
        isOn = capture != nil
    }

    /// Appends a frame to the capture, without its virtio-net header.
    ///
    /// - Parameters:
    ///   - head: a virtio-net header, then the frame or the first piece of the frame.
    ///   - payload: the second piece of the frame; empty if `head` has all of it.
    func append(
        _ direction: CaptureWriter.Direction, _ head: UnsafeRawBufferPointer,
        _ payload: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        guard head.count > VirtioNetHeader.length else { return }
        capture?.append(direction, UnsafeRawBufferPointer(rebasing: head[VirtioNetHeader.length...]), payload)
    }
}
