internal import CRingway
internal import Glibc
internal import RingwayCapture
internal import RingwayLinks
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// One queue of a guest's link: receives and sends frames.
///
/// ## Theory of operation
///
/// **A device** (TAP) is read by one multishot read, or by several single reads. Each completion returns one frame in
/// a leased buffer. Each frame to the guest is written by a separate operation, from the buffer that holds it.
///
/// **A socket** is a stream of frames with length prefixes, or has one frame per datagram. A stream has one receive
/// in flight at a time, whose bytes `nextFrame` splits into frames; datagrams are read as from a device. Frames to
/// the guest are gathered during a turn and sent together: on a stream by one send operation at a time, as datagrams
/// by a system call that does not block.
///
/// **Backpressure.** If the guest is slow to read from a socket, frames wait in the send queue. When many wait, the
/// link is *congested*: host sockets are not read meanwhile, so that data for the guest waits in the host's kernel and
/// is not dropped.
struct LinkPort: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// A read of one frame from a device.
        case read
        /// A write of a frame to a device; the tag's value is the lease of its buffer.
        case write
        /// A receive of bytes of a stream: several frames, or part of one.
        case receive
        /// A send of gathered frames on a stream.
        case send
        /// A receive of one frame from a datagram socket.
        case readDatagram
        /// A poll for the socket to become writable.
        case writable

        static var owner: OperationOwner { .link }
    }

    /// A frame from the guest at the start of its buffer; the receiver owns the lease.
    struct Frame {
        var lease: Lease
        /// In bytes, virtio-net header included.
        var length: Int
    }

    private enum State {
        case open
        /// Backpressure: so many frames wait to be sent that host sockets are not read.
        case congested
        /// Nothing is received or sent any more.
        case lost
    }

    /// Operations in flight on a stream.
    private struct Pending: OptionSet {
        let rawValue: UInt8
        static var receive: Pending { Pending(rawValue: 1 << 0) }
        static var send: Pending { Pending(rawValue: 1 << 1) }
    }

    private let shared: EngineShared
    let counters: Counters
    var queue: Queue
    private let memory: LinkMemory
    // Pointers into `memory`, which documents them.
    private let decoder: UnsafeMutablePointer<FrameDecoder>?
    let sendQueue: UnsafeMutablePointer<FrameSendQueue>?
    private var state = State.open
    private var pending: Pending = []
    /// No buffer was free for a read, or for the next frame of a stream.
    private var isStarved = false
    /// The number of frames that `nextFrame` may still return in this turn. Without this limit, one receive of many
    /// small frames would keep the shard's other guests waiting.
    private var framesLeft = Int.max
    /// The link may have more frames than this turn may read.
    private var hasMore = false
    /// A moving average of the sizes of frames, in bytes.
    private var typicalSize = 0
    var capture: FrameCapture

    /// - Parameter queue: a queue of the link, whose descriptor the port owns from here on.
    init(
        _ queue: consuming Queue, _ framing: Link.Framing, shared: EngineShared,
        pool: UnsafeMutablePointer<BufferPool>, counters: Counters
    ) throws(MemoryFailure) {
        let memory = try LinkMemory(framing, pool, counters)
        decoder = memory.decoder
        sendQueue = memory.sendQueue
        self.memory = memory
        self.queue = queue
        self.shared = shared
        self.counters = counters
        capture = FrameCapture(shared.configuration.capture)
    }

    // MARK: Registering and closing

    /// Makes the queue's buffers known to the ring.
    mutating func register(_ core: inout ShardCore) throws(SystemError) { try queue.register(with: &core.reactor.ring) }

    /// Closes the link, at the end of the guest. Nothing is received or sent any more.
    mutating func close(_ core: inout ShardCore) {
        if state != .lost {
            state = .lost
            hasMore = false
            if !pending.contains(.send) { sendQueue?.pointee.close() }
        }
        queue.close()
        // Operations in flight keep the socket open for a while; shutdown informs the peer now.
        if sendQueue != nil { _ = shutdown(queue.descriptor, Int32(SHUT_RDWR)) }
        core.cancelAll(of: queue.descriptor)
        core.close(queue.descriptor, reset: false)
    }

    /// Unregisters the link's buffers from the ring and releases them. No operation on the link may be in flight.
    mutating func unregister(_ core: inout ShardCore) {
        sendQueue?.pointee.close()
        if let decoder { _ = decoder.pointee.discard(core.pool) }
        queue.unregister(from: &core.reactor.ring, core.pool)
    }

    // MARK: The turn

    /// Whether the link may have more frames than this turn may read.
    var hasFrames: Bool {
        mutating get { hasMore }
    }

    /// Whether a read waits for a buffer.
    var waitsForBuffers: Bool {
        mutating get { isStarved }
    }

    /// Backpressure: whether host sockets should not be read now.
    var isCongested: Bool {
        mutating get { state == .congested }
    }

    /// Buffers that are provided to the kernel for frames.
    var buffers: Int { queue.available }

    /// Provides buffers to the kernel and arms reads; on a stream, only limits the frames that `nextFrame` returns.
    mutating func refill(_ core: inout ShardCore) {
        let most = core.frameAllowance(ofSize: typicalSize)
        guard decoder == nil else {
            framesLeft = core.guests > 1 ? most : .max
            return
        }
        hasMore = most == 0 && state != .lost
        guard most > 0 else { return }
        queue.refill(&core.reactor.ring, from: core.pool, upTo: most, readTag)
        isStarved = queue.isIdle && state != .lost
    }

    /// The tag of reads that return one frame each.
    @inline(__always)
    private var readTag: OperationTag {
        mutating get { (sendQueue == nil ? Operation.read : .readDatagram).tag() }
    }

    /// Handles a completion of one of the component's operations. Returns a frame if one was received; on a stream,
    /// `nextFrame` returns further frames.
    @inline(__always)
    mutating func complete(_ completion: Completion, _ core: inout ShardCore) -> Frame? {
        switch Operation(completion.tag) {
        case .read: return read(completion, &core)
        case .write: written(completion, &core)
        case .receive: return received(completion, &core)
        case .send: sent(completion, &core)
        case .readDatagram: return readDatagram(completion, &core)
        case .writable: writable(&core)
        case nil: break
        }
        return nil
    }

    // MARK: Frames from a device or datagram socket

    @inline(__always)
    private mutating func read(_ completion: Completion, _ core: inout ShardCore) -> Frame? {
        switch queue.take(completion, core.pool) {
        case .frame(let lease, let length):
            core.pool.pointee.charge(lease)
            typicalSize &+= (length &- typicalSize) / 8
            if queue.isIdle { refill(&core) }
            return Frame(lease: lease, length: length)
        case .starved: counters.add(.linkReadsStarved)
        case .nothing: break
        case .lost(let error): lose(.linkLost(errno: error))
        }
        return nil
    }

    /// Takes a frame that was received from a datagram socket. It has no virtio-net header, so one is written into the
    /// room that was left before the frame.
    private mutating func readDatagram(_ completion: Completion, _ core: inout ShardCore) -> Frame? {
        guard let frame = read(completion, &core) else { return nil }
        VirtioNetFields().write(to: core.space.address(of: frame.lease))
        return Frame(lease: frame.lease, length: VirtioNetHeader.length + frame.length)
    }

    // MARK: Frames from a stream

    /// The next frame of a stream; `nil` if there is none now, the turn's limit is reached, or no buffer is free. If
    /// the frame is incomplete, a receive of more bytes is issued.
    @inline(__always)
    mutating func nextFrame(_ core: inout ShardCore) -> Frame? {
        guard let decoder else { return nil }
        return nextFrame(decoder, &core)
    }

    private mutating func nextFrame(
        _ decoder: UnsafeMutablePointer<FrameDecoder>, _ core: inout ShardCore
    ) -> Frame? {
        guard state != .lost, !pending.contains(.receive) else { return nil }
        isStarved = false
        hasMore = framesLeft <= 0 || framesLeft <= core.debt && core.guests > 1
        guard !hasMore else { return nil }
        switch decoder.pointee.next(core.pool) {
        case .frame(let lease, let length):
            framesLeft &-= 1
            typicalSize &+= (length &- typicalSize) / 8
            return Frame(lease: lease, length: length)
        case .incomplete:
            pending.insert(.receive)
            core.reactor.ring.receive(
                queue.descriptor, into: decoder.pointee.room(in: core.space), Operation.receive.tag())
        case .starved:
            counters.add(.linkReadsStarved)
            isStarved = true
        case .malformed(let length):
            counters.add(.linkLengthsRefused)
            lose(.linkMalformed(length: length))
        }
        return nil
    }

    private mutating func received(_ completion: Completion, _ core: inout ShardCore) -> Frame? {
        pending.remove(.receive)
        guard let decoder else { return nil }
        // If the link was lost or closed meanwhile, the decoder's buffer is released only now, because this receive
        // used it.
        if completion.result > 0 { decoder.pointee.received(Int(completion.result)) }
        if state == .lost {
            discardPartial(decoder, core.pool)
            return nil
        }
        if completion.result > 0 { return nextFrame(decoder, &core) }
        switch -completion.result {
        // The next call of `nextFrame` receives again.
        case EAGAIN, EINTR, ENOMEM, ENOBUFS: break
        case let error:
            discardPartial(decoder, core.pool)
            lose(.linkLost(errno: error))
        }
        return nil
    }

    private func discardPartial(
        _ decoder: UnsafeMutablePointer<FrameDecoder>, _ pool: UnsafeMutablePointer<BufferPool>
    ) {
        if decoder.pointee.discard(pool) { counters.add(.linkFramesTruncated) }
    }

    // MARK: Frames to the guest

    /// Sends a frame to the guest. Takes ownership of its leases.
    mutating func write(_ frame: OutgoingFrame, _ core: inout ShardCore) {
        guard state != .lost else { return drop(frame, &core) }
        note(frame, core.space)
        if let sendQueue { return gather(frame, sendQueue, &core) }
        let start = core.space.address(of: frame.lease) + Int(frame.offset)
        let tag = Operation.write.tag(frame.lease)
        guard !frame.payload.isNone else {
            return queue.write(&core.reactor.ring, start, length: frame.length, tag)
        }
        // The iovecs must stay valid until the write completes, so they are stored in the headers' buffer, after the
        // headers. The payload's lease is stored in the state of that buffer, so that `written` can release both.
        let slices = (core.space.address(of: frame.lease) + 1_024).assumingMemoryBound(to: iovec.self)
        let payload = core.space.address(of: frame.payload) + Int(frame.payloadOffset)
        slices[0] = iovec(iov_base: start, iov_len: Int(frame.length))
        slices[1] = iovec(iov_base: payload, iov_len: Int(frame.payloadLength))
        core.space.state(of: frame.lease).pointee.attached = frame.payload
        queue.write(&core.reactor.ring, slices, tag)
    }

    private mutating func written(_ completion: Completion, _ core: inout ShardCore) {
        let lease = completion.tag.lease
        let state = core.space.state(of: lease)
        let payload = state.pointee.attached
        if !payload.isNone {
            state.pointee.attached = .none
            core.release(payload)
        }
        core.release(lease)
        if completion.result < 0 {
            // The frame is lost as on a wire; TCP retransmits it.
            counters.add(.linkWritesFailed)
        }
    }

    /// Queues a frame, and sends the batch when it is full.
    private mutating func gather(
        _ frame: OutgoingFrame, _ sendQueue: UnsafeMutablePointer<FrameSendQueue>, _ core: inout ShardCore
    ) {
        sendQueue.pointee.append(frame)
        if sendQueue.pointee.isFull { flush(sendQueue, &core) }
        noteCongestion(sendQueue)
    }

    /// Sends the frames that were gathered in this turn, if the link is a socket and no send is in flight.
    @inline(__always)
    mutating func flush(_ core: inout ShardCore) {
        if let sendQueue { flush(sendQueue, &core) }
    }

    private mutating func flush(
        _ sendQueue: UnsafeMutablePointer<FrameSendQueue>, _ core: inout ShardCore
    ) {
        while sendQueue.pointee.startBatch() {
            guard send(sendQueue, &core) else { break }
        }
        noteCongestion(sendQueue)
    }

    private mutating func noteCongestion(_ sendQueue: UnsafeMutablePointer<FrameSendQueue>) {
        guard state != .lost else { return }
        state = sendQueue.pointee.isCongested ? .congested : .open
    }

    /// Sends the unsent rest of the batch. False if the rest is not sent yet, or the link is lost.
    private mutating func send(
        _ sendQueue: UnsafeMutablePointer<FrameSendQueue>, _ core: inout ShardCore
    ) -> Bool {
        guard sendQueue.pointee.framing == .datagram else {
            pending.insert(.send)
            core.reactor.ring.send(
                queue.descriptor, message: sendQueue.pointee.message(), flags: Int32(MSG_NOSIGNAL),
                Operation.send.tag())
            return false
        }
        switch sendQueue.pointee.sendDatagrams(queue.descriptor) {
        case 0: return true
        case EAGAIN: awaitWritable(&core)
        case let error: lose(.linkLost(errno: error))
        }
        return false
    }

    private mutating func awaitWritable(_ core: inout ShardCore) {
        core.reactor.ring.poll(queue.descriptor, UInt32(POLLOUT), Operation.writable.tag())
    }

    /// Handles the completion of a send. Frames that were gathered while it was in flight are sent at the end of the
    /// turn.
    private mutating func sent(_ completion: Completion, _ core: inout ShardCore) {
        pending.remove(.send)
        guard let sendQueue else { return }
        if state == .lost { return sendQueue.pointee.close() }
        switch -completion.result {
        case ..<0:
            if !sendQueue.pointee.sent(byteCount: Int(completion.result)) { _ = send(sendQueue, &core) }
        case 0, EAGAIN, EINTR, ENOMEM, ENOBUFS: awaitWritable(&core)
        case let error: lose(.linkLost(errno: error))
        }
    }

    private mutating func writable(_ core: inout ShardCore) {
        guard let sendQueue, state != .lost else { return }
        _ = send(sendQueue, &core)
    }

    // MARK: Losing the link

    /// The link has failed: nothing is received or sent any more. Reported once.
    private mutating func lose(_ event: EngineEvent) {
        guard state != .lost else { return }
        state = .lost
        hasMore = false
        // The buffers of a send in flight are released when the send completes.
        if !pending.contains(.send) { sendQueue?.pointee.close() }
        shared.report(event)
    }

    /// Closes the link immediately, after the ring has failed.
    mutating func closeDescriptors() {
        // Operations in flight keep the socket open for a while; shutdown informs the peer now.
        if sendQueue != nil { _ = shutdown(queue.descriptor, Int32(SHUT_RDWR)) }
        Endpoint.close(queue.descriptor, reset: false)
    }
}
