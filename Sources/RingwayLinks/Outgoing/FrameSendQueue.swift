public import CRingway
internal import Glibc
public import RingwayModel
public import RingwayStorage
internal import RingwayWire

/// The send queue of a link that is a socket. Frames are encoded in the link's framing and gathered into batches, so
/// that one system call sends many, in order and within limits.
///
/// On a stream the queue makes no system calls: when `startBatch` returns true, the caller sends `message()` and
/// reports the result with `sent`. Datagrams are sent by `sendDatagrams`. One batch is being sent while the next is
/// filled. A frame that does not fit the batch waits in its own buffer; frames beyond `waitingLimit` are dropped.
/// When many frames wait, `isCongested` asks the caller for backpressure.
///
///     append ──► waiting ──► segmented, checksummed, staged ──► filling ──► sending ──► kernel
public struct FrameSendQueue: ~Copyable {
    /// The maximum number of waiting frames.
    public static var waitingLimit: Int { 1_024 }
    /// Backpressure starts when `congestedFrames` frames or `congestedBytes` bytes wait, and ends when at most
    /// `relaxedFrames` frames and `relaxedBytes` bytes wait.
    static var congestedFrames: Int { 32 }
    static var congestedBytes: Int { 512 << 10 }
    static var relaxedFrames: Int { 4 }
    static var relaxedBytes: Int { 64 << 10 }
    /// Bytes of the longest frame that is copied into the batch on a link with virtio-net headers. Longer frames are
    /// sent from their own buffers. On other links every frame is written into the batch.
    private static var copybreak: Int { 1_024 }

    public let framing: Link.Framing
    private let pool: UnsafeMutablePointer<BufferPool>
    private let space: BufferSpace
    private let counters: Counters
    private var filling: SendBatch
    private var sending: SendBatch
    /// A batch is in a send operation, or waits for the socket to become writable.
    public private(set) var isSending = false
    /// The frame that is being written to the batch; valid while `isSegmenting`.
    private var current: OutgoingFrame
    private var segmentation: SoftwareSegmentation
    private var isSegmenting = false
    /// Frames after `current`, in a ring buffer.
    private let waiting: UnsafeMutablePointer<OutgoingFrame>
    private var head = 0
    private var tail = 0
    private var waitingBytes = 0
    /// Backpressure: further frames would only wait, so host sockets should not be read.
    public private(set) var isCongested = false
    /// Nothing is sent any more.
    private var isClosed = false

    /// - Parameter pool: the shard's buffers; outlives the queue.
    public init(
        _ framing: Link.Framing, pool: UnsafeMutablePointer<BufferPool>, counters: Counters
    ) throws(MemoryFailure) {
        let waiting = try UnsafeMutablePointer<OutgoingFrame>.allocateApart(capacity: Self.waitingLimit)
        let filling: SendBatch
        let sending: SendBatch
        do throws(MemoryFailure) {
            (filling, sending) = try Self.batches()
        } catch {
            waiting.deallocate()
            throw error
        }
        self.framing = framing
        self.pool = pool
        self.counters = counters
        space = pool.pointee.space
        self.filling = filling
        self.sending = sending
        current = OutgoingFrame(.none, offset: 0, length: 0)
        segmentation = SoftwareSegmentation(at: filling.staging)
        self.waiting = waiting
    }

    private static func batches() throws(MemoryFailure) -> (SendBatch, SendBatch) {
        let first = try SendBatch()
        do throws(MemoryFailure) {
            return (first, try SendBatch())
        } catch {
            first.deallocate()
            throw error
        }
    }

    deinit {
        filling.deallocate()
        sending.deallocate()
        waiting.deallocate()
    }

    // MARK: Taking frames

    /// Queues a frame. Takes ownership of its leases.
    public mutating func append(_ frame: OutgoingFrame) {
        if !isSegmenting && !isClosed {
            begin(frame)
            return proceed()
        }
        guard !isClosed, tail &- head < Self.waitingLimit else {
            counters.add(.linkWritesDropped)
            return release(frame)
        }
        (waiting + (tail & (Self.waitingLimit &- 1))).initialize(to: frame)
        tail &+= 1
        waitingBytes &+= frame.byteCount
        if !isCongested, tail &- head >= Self.congestedFrames || waitingBytes >= Self.congestedBytes {
            isCongested = true
            counters.add(.linkCongestions)
        }
    }

    private mutating func begin(_ frame: OutgoingFrame) {
        current = frame
        isSegmenting = true
        if framing.hasVirtioNetHeader {
            if framing.carries(frame.byteCount) { return }
        } else {
            let refusal = segmentation.prepare(frame.head(in: space), frame.rest(in: space))
            if refusal == .none, framing.carries(segmentation.nextLength) { return }
        }
        counters.add(.linkWritesRefused)
        finish()
    }

    /// Fills the batch from the waiting frames, as far as it has room.
    private mutating func proceed() {
        while true {
            if isSegmenting {
                guard framing.hasVirtioNetHeader ? passOn() : cut() else { return }
            }
            guard tail != head else { return }
            let frame = waiting[head & (Self.waitingLimit &- 1)]
            head &+= 1
            waitingBytes &-= frame.byteCount
            if isCongested, tail &- head <= Self.relaxedFrames, waitingBytes <= Self.relaxedBytes {
                isCongested = false
            }
            begin(frame)
        }
    }

    /// Releases the buffers of `current`.
    private mutating func finish() {
        isSegmenting = false
        release(current)
    }

    private func release(_ frame: OutgoingFrame) {
        pool.pointee.release(frame.lease)
        if !frame.payload.isNone { pool.pointee.release(frame.payload) }
    }

    // MARK: Making wire frames

    /// Performs the offloads of `current` in software, and writes the resulting frames into the batch. Returns false
    /// if the batch becomes full before the last frame.
    private mutating func cut() -> Bool {
        let prefix = framing.prefixLength
        let joining = !framing.isDatagram
        while !segmentation.isDone {
            let length = segmentation.nextLength
            guard filling.hasRoom(for: prefix &+ length) else { return false }
            let target = filling.end
            framing.writePrefix(length, to: target)
            segmentation.writeNext(to: target + prefix)
            filling.stage(prefix &+ length, joining: joining)
        }
        finish()
        return true
    }

    /// Copies `current` with its virtio-net header into the batch or, if it is longer than `copybreak`, adds its
    /// buffers to the batch. Returns false, without effect, if the batch has no room for it.
    private mutating func passOn() -> Bool {
        let prefix = framing.prefixLength
        let byteCount = current.byteCount
        let pieces = (head: current.head(in: space), rest: current.rest(in: space))
        guard byteCount > Self.copybreak else {
            guard filling.hasRoom(for: prefix &+ byteCount) else { return false }
            let target = filling.end
            framing.writePrefix(byteCount, to: target)
            copy(pieces.head, to: target + prefix)
            copy(pieces.rest, to: target + prefix + pieces.head.count)
            filling.stage(prefix &+ byteCount, joining: true)
            finish()
            return true
        }
        guard filling.hasRoomForReference(prefix &+ byteCount) else { return false }
        framing.writePrefix(byteCount, to: filling.end)
        filling.stage(prefix, joining: true)
        filling.refer(to: pieces.head)
        filling.keep(current.lease)
        if !current.payload.isNone {
            filling.refer(to: pieces.rest)
            filling.keep(current.payload)
        }
        isSegmenting = false
        return true
    }

    private func copy(_ piece: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
        if let base = piece.baseAddress { target.copyMemory(from: base, byteCount: piece.count) }
    }

    // MARK: Sending

    /// Makes the filled batch the one to send, unless it is empty or a batch is being sent. Returns true if the
    /// caller must send it.
    public mutating func startBatch() -> Bool {
        guard !isSending, !filling.isEmpty else { return false }
        swap(&filling, &sending)
        isSending = true
        proceed()
        return true
    }

    /// Whether a frame waits for room although no batch is being sent: `startBatch` must be called to continue.
    public var isFull: Bool { isSegmenting && !isSending }

    /// The unsent rest of the batch, for a stream. It stays valid until `sent`.
    public func message() -> UnsafeMutablePointer<msghdr> { sending.message() }

    /// Records that `byteCount` bytes of the message are sent. Returns true if the batch is complete, and false if
    /// its rest must be sent.
    public mutating func sent(byteCount: Int) -> Bool {
        guard sending.advance(by: byteCount) else { return false }
        finishBatch()
        return true
    }

    /// Sends the current batch as datagrams, as far as the socket accepts them.
    ///
    /// - Returns: zero if all are sent or dropped, EAGAIN if the socket must become writable first, or another
    ///   `errno`.
    public mutating func sendDatagrams(_ descriptor: Int32) -> Int32 {
        let counters = counters
        let error = sending.sendDatagrams(descriptor) { counters.add(.linkWritesFailed) }
        if error == 0 { finishBatch() }
        return error
    }

    private mutating func finishBatch() {
        sending.clear(pool)
        isSending = false
    }

    /// Releases all buffers, and drops frames from now on. Called when the link has ended and no send is in flight.
    public mutating func close() {
        guard !isClosed else { return }
        isClosed = true
        isCongested = false
        filling.clear(pool)
        finishBatch()
        if isSegmenting { finish() }
        while tail != head {
            release(waiting[head & (Self.waitingLimit &- 1)])
            head &+= 1
        }
        waitingBytes = 0
    }
}
