internal import CRingway
internal import Glibc
public import RingwayModel
public import RingwayWire
internal import Synchronization

/// A running capture. Shards copy frames into memory, and a writer thread writes them to the file. If the disk is too
/// slow, captured frames are lost and counted, but guests are not delayed.
///
/// ## Theory of operation
///
/// `append` copies a frame into one half of a `RecordBuffer`, under a lock, and wakes the writer if it sleeps. The
/// writer swaps the halves and appends the records to a `CaptureFile` without the lock. If a write fails, for example
/// because the disk is full, its unwritten records are lost, and the writer waits a second. Meanwhile frames go to
/// the other half; when that is full, further frames are dropped.
public final class CaptureSession: Sendable {
    /// Events of a running capture.
    public enum Change: Sendable {
        /// A write has failed and frames are being lost. `reason` is the text of the `errno`.
        case failed(reason: String)
        /// Frames are written again, after `lost` frames were lost.
        case resumed(lost: Int)
    }

    /// Milliseconds from a failed write, such as to a full disk, to the next attempt.
    private static var retryInterval: Int32 { 1_000 }

    private struct State: ~Copyable {
        var buffer: RecordBuffer
        let filter: CaptureFilter
        var written = 0
        var dropped = 0
        /// The `errno` of the last write; zero if it succeeded.
        var error: Int32 = 0
        var isWriterAsleep = false
        var isClosed = false

        init(_ buffer: consuming RecordBuffer, _ filter: consuming CaptureFilter) {
            self.buffer = buffer
            self.filter = filter
        }
    }

    private let options: CaptureOptions
    private let startedAt = time(nil)
    private let state: Mutex<State>
    private let bell: Int32
    private let writer = Mutex<pthread_t?>(nil)
    private let handler: @Sendable (Change) -> Void

    /// Creates the file and starts the writer.
    ///
    /// - Parameter handler: called from the writer's thread.
    public init(_ options: CaptureOptions, handler: @escaping @Sendable (Change) -> Void) throws(CaptureFailure) {
        let filter = try CaptureFilter(options.filter, snapLength: options.snapLength)
        guard let buffer = RecordBuffer() else { throw CaptureFailure("there is no memory for a capture") }
        let file = try CaptureFile(options)
        self.options = options
        self.handler = handler
        state = Mutex(State(buffer, filter))
        bell = ringway_event_descriptor()
        guard bell >= 0 else {
            throw CaptureFailure("no descriptor is left for a capture: \(String(cString: strerror(errno)))")
        }
        let error = start(file)
        guard error == 0 else {
            throw CaptureFailure("no thread is left for a capture: \(String(cString: strerror(error)))")
        }
    }

    deinit { if bell >= 0 { close(bell) } }

    // MARK: Called by shards

    /// Captures a frame if the filter selects it. May be called from any thread.
    ///
    /// - Parameters:
    ///   - direction: whether the guest sent or received the frame.
    ///   - head, payload: the two pieces of an ethernet frame; the second may be empty.
    public func append(
        _ direction: CaptureWriter.Direction, _ head: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer
    ) {
        let (head, payload) = (FramePiece(head), FramePiece(payload))
        let mustWake = state.withLock { state -> Bool in
            guard !state.isClosed else { return false }
            // The clock is read under the lock, so that records are in the file in order of their times.
            var now = timespec()
            clock_gettime(CLOCK_REALTIME, &now)
            let result = state.buffer.append(
                direction, head.bytes, payload.bytes,
                nanosecondsSince1970: UInt64(now.tv_sec) &* 1_000_000_000 &+ UInt64(now.tv_nsec),
                snapLength: options.snapLength, filter: state.filter)
            if result == .full { state.dropped += 1 }
            guard result == .kept, state.isWriterAsleep else { return false }
            state.isWriterAsleep = false
            return true
        }
        if mustWake { wake() }
    }

    // MARK: Called by the control plane

    public var status: CaptureStatus {
        state.withLock { state in
            CaptureStatus(
                options: options, startedAt: startedAt, frames: state.written, dropped: state.dropped,
                problem: state.error == 0 ? nil : String(cString: strerror(state.error)))
        }
    }

    /// Refuses further frames, and waits until the writer has written the pending ones, as far as writes succeed, and
    /// has closed the file.
    public func stop() {
        state.withLock { $0.isClosed = true }
        wake()
        let thread = writer.withLock { writer in
            defer { writer = nil }
            return writer
        }
        if let thread { pthread_join(thread, nil) }
    }

    private func wake() {
        var one: UInt64 = 1
        _ = write(bell, &one, 8)
    }

    // MARK: The writer

    /// The argument of the writer's thread.
    private final class Work: Sendable {
        let capture: CaptureSession
        let file: Mutex<CaptureFile>

        init(_ capture: CaptureSession, _ file: consuming sending CaptureFile) {
            self.capture = capture
            self.file = Mutex(file)
        }
    }

    /// Starts the writer's thread.
    ///
    /// - Returns: zero or an `errno`.
    private func start(_ file: consuming sending CaptureFile) -> Int32 {
        let work = Unmanaged.passRetained(Work(self, file))
        return writer.withLock { writer in
            var thread = pthread_t()
            let error = pthread_create(&thread, nil, Self.main, work.toOpaque())
            if error == 0 { writer = thread } else { work.release() }
            return error
        }
    }

    private static let main: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
        guard let argument else { return nil }
        let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
        ringway_name_thread("ringway-capture")
        // All signals are blocked. A write to a pipe without a reader then fails with EPIPE, and SIGPIPE does not end
        // the process.
        var signals = sigset_t()
        sigfillset(&signals)
        pthread_sigmask(SIG_SETMASK, &signals, nil)
        work.file.withLock { work.capture.writeAll(to: &$0) }
        return nil
    }

    private func writeAll(to file: inout CaptureFile) {
        var lost = 0
        while true {
            let (address, count, isClosed) = take()
            if count > 0 {
                let outcome = file.append(
                    UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: count))
                note(outcome, lost: &lost)
                if outcome.error != 0, !isClosed { wait(Self.retryInterval) }
            } else if isClosed {
                break
            } else {
                wait(-1)
            }
        }
        let status = status
        file.finish(received: status.frames + status.dropped, dropped: status.dropped)
    }

    private func take() -> (address: UInt, count: Int, isClosed: Bool) {
        state.withLock { state in
            state.isWriterAsleep = state.buffer.isEmpty
            guard !state.buffer.isEmpty else { return (0, 0, state.isClosed) }
            let (address, count) = state.buffer.swap()
            return (address, count, state.isClosed)
        }
    }

    /// Counts the records that a write has stored and lost. Calls the handler at the first failure, and at the first
    /// success after a failure.
    private func note(_ outcome: CaptureFile.Outcome, lost: inout Int) {
        let previous = state.withLock { state in
            state.written += outcome.written
            state.dropped += outcome.lost
            defer { state.error = outcome.error }
            return state.error
        }
        if outcome.error != 0 {
            if previous == 0 {
                lost = state.withLock { $0.dropped } - outcome.lost
                handler(.failed(reason: String(cString: strerror(outcome.error))))
            }
        } else if previous != 0 {
            handler(.resumed(lost: state.withLock { $0.dropped } - lost))
        }
    }

    /// Waits until `wake` is called, but at most this many milliseconds. -1 means no timeout.
    private func wait(_ milliseconds: Int32) {
        var entry = pollfd(fd: bell, events: Int16(POLLIN), revents: 0)
        _ = poll(&entry, 1, milliseconds)
        var count: UInt64 = 0
        if entry.revents != 0 { _ = read(bell, &count, 8) }
    }
}
