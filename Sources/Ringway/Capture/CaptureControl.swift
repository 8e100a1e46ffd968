internal import RingwayCapture
internal import RingwayModel
internal import Synchronization

/// The captures of a network, of which at most one is running.
final class CaptureControl: Sendable {
    private struct State {
        var current: CaptureSession?
        /// Counters of finished captures.
        var frames = 0
        var dropped = 0
    }

    private let state = Mutex(State())

    var current: CaptureSession? { state.withLock { $0.current } }

    /// The numbers of frames written and lost, summed over all captures.
    var counts: (frames: Int, dropped: Int) {
        state.withLock { state in
            let status = state.current?.status
            return (state.frames + (status?.frames ?? 0), state.dropped + (status?.dropped ?? 0))
        }
    }

    /// Makes the session the current capture. Returns false, without effect, if a capture is running already.
    func set(_ session: CaptureSession) -> Bool {
        state.withLock { state in
            guard state.current == nil else { return false }
            state.current = session
            return true
        }
    }

    /// Ends the current capture, and returns its final status; `nil` if no capture is running. The caller must have
    /// taken the capture away from the shards before.
    func end() -> CaptureStatus? {
        guard let session = state.withLock({ $0.current }) else { return nil }
        session.stop()
        let status = session.status
        state.withLock { state in
            state.current = nil
            state.frames += status.frames
            state.dropped += status.dropped
        }
        return status
    }
}
