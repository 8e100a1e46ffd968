internal import RingwayCapture
internal import RingwayEngine
public import RingwayModel
internal import Synchronization

extension VirtualNetwork {
    /// The status of the capture; `nil` if there is none.
    public var capture: CaptureStatus? { captures.current?.status }

    /// Writes the frames of all guests, including guests attached later, to a pcapng file, until `stopCapture` or the
    /// network's end. While it runs, new connections to published ports are not spliced: they use the guests' links, so
    /// that the capture contains them.
    public func startCapture(_ options: CaptureOptions) throws(Failure) {
        try changes.withLock { (_) throws(Failure) in
            guard !state.withLock({ $0.isStopped }) else { throw Failure("the network has ended") }
            if let current = captures.current {
                throw Failure("frames are captured already, to \(current.status.options.path)", .exists)
            }
            let session: CaptureSession
            do throws(CaptureFailure) {
                session = try CaptureSession(options) { [weak self] change in self?.report(change, options) }
            } catch {
                throw Failure(error.description, .invalid)
            }
            _ = captures.set(session)
            for engine in engines { engine.setCapture(session) }
            report(.captureStarted(options))
        }
    }

    /// Ends the capture. When this returns, the frames captured so far are written, unless a write fails, and the
    /// file is closed.
    @discardableResult
    public func stopCapture() throws(Failure) -> CaptureStatus {
        try changes.withLock { (_) throws(Failure) in
            guard let status = endCapture() else { throw Failure("no frames are captured", .notFound) }
            return status
        }
    }

    /// Ends the capture, if there is one. The caller holds the lock `changes`.
    @discardableResult
    func endCapture() -> CaptureStatus? {
        for engine in engines { engine.setCapture(nil) }
        let status = captures.end()
        if let status { report(.captureEnded(status)) }
        return status
    }

    private var engines: [Engine] { state.withLock { $0.members.values.map(\.engine) } }

    private func report(_ change: CaptureSession.Change, _ options: CaptureOptions) {
        switch change {
        case .failed(let reason): report(.captureFailed(options, reason: reason))
        case .resumed(let lost): report(.captureResumed(options, lost: lost))
        }
    }
}
