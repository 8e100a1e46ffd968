public import CRingway
internal import Glibc
public import RingwayStorage
internal import RingwayWire

/// Frames toward a guest whose link is a socket: made ready for its framing, gathered so that one call to the kernel
/// carries many, in order and within bounds.
///
/// Sans-I/O but for datagrams: the owner sends `message()` when `startBatch` returns true, and reports the result with
/// `sent`. One batch is with the kernel while the next is filled. A frame that no batch has room for waits in its own
/// buffer, and `isCongested` asks the owner for backpressure; frames beyond `waitingLimit` are dropped.
///
///     append ──► waiting ──► cut, checksummed, staged ──► filling ──► sending ──► kernel
public struct FrameSendQueue: ~Copyable {
    /// The most frames that wait.
    public static var waitingLimit: Int { 1_024 }
    /// From here on the owner is asked to hold back, and from there on no more.
    static var congestedFrames: Int { 32 }
    static var congestedBytes: Int { 512 << 10 }
    static var relaxedFrames: Int { 4 }
    static var relaxedBytes: Int { 64 << 10 }
    /// A frame up to here is copied into the batch where longer ones are sent from where they lie.
    private static var copybreak: Int { 1_024 }

    public let framing: Link.Framing
    private let pool: UnsafeMutablePointer<BufferPool>
    private let space: BufferSpace
    private let counters: Counters
    private var filling: SendBatch
    private var sending: SendBatch
    /// A batch is with the kernel, or waits for the socket to become writable.
    public private(set) var isSending = false
    /// The frame that is being cut, and how far that has come.
    private var current: OutgoingFrame
    private var segmentation: SoftwareSegmentation
    private var isSegmenting = false
    /// Frames behind `current`, a ring.
    private let waiting: UnsafeMutablePointer<OutgoingFrame>
    private var head = 0
    private var tail = 0
    private var waitingBytes = 0
    /// Whether more frames would only wait: host sockets are better left unread.
    public private(set) var isCongested = false
    /// Nothing is sent any more.
    private var isClosed = false

    /// - Parameter pool: the shard's buffers; outlives this.
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

    /// Takes a frame and its holds.
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

    /// Fills the batch from the frames at hand, as far as it has room.
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

    /// Ends `current` and its holds.
    private mutating func finish() {
        isSegmenting = false
        release(current)
    }

    private func release(_ frame: OutgoingFrame) {
        pool.pointee.release(frame.lease)
        if !frame.payload.isNone { pool.pointee.release(frame.payload) }
    }

    // MARK: Making wire frames

    /// Stages what is left of `current`; false when the batch is full before that.
    private mutating func cut() -> Bool {
        let prefix = framing.prefixLength
        let joining = framing != .datagram
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

    /// Stages `current` with its virtio-net header, or refers to where it lies; false when the batch is full.
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

    /// Turns to the next batch when the kernel has none; true when there is one to send.
    public mutating func startBatch() -> Bool {
        guard !isSending, !filling.isEmpty else { return false }
        swap(&filling, &sending)
        isSending = true
        proceed()
        return true
    }

    /// Whether `startBatch` would let frames go on that wait.
    public var isFull: Bool { isSegmenting && !isSending }

    /// What is left of the batch being sent, for a stream. It stays in place until `sent`.
    public func message() -> UnsafeMutablePointer<msghdr> { sending.message() }

    /// So many bytes of the message are sent; true when the batch is, and false when its rest must be.
    public mutating func sent(byteCount: Int) -> Bool {
        guard sending.advance(by: byteCount) else { return false }
        finishBatch()
        return true
    }

    /// Sends the current batch as datagrams, as far as the socket takes them.
    ///
    /// - Returns: zero when all are gone, EAGAIN when the socket must become writable first, or what it failed with.
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

    /// The link is gone and no operation of ours with the kernel: buffers go back, and what comes is dropped.
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
