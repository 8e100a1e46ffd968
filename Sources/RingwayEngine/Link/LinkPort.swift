internal import CRingway
internal import Glibc
internal import RingwayCapture
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// One queue of a guest's link: where frames come from, and where they go.
///
/// ## Theory of operation
///
/// **A device** (TAP) has a read armed that brings one frame each time, in a leased buffer; frames are written from
/// wherever they lie, each by an operation of its own.
///
/// **A socket** is a stream of frames with their lengths, or has one datagram a frame. One receive on a stream is in flight
/// at a time and brings many frames, which `nextFrame` cuts out of it; datagrams are read as from a device. One send is in
/// flight at a time, too, and carries what a turn has gathered.
///
/// **Backpressure.** When the guest is slow to read from a socket, frames wait in the send queue, and the link is
/// congested: host sockets are not read meanwhile, and nothing is dropped that was asked for.
struct LinkPort: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// A read of a device brings a frame.
        case read
        /// A frame is written to a device; the tag's index is its buffer.
        case write
        /// A receive of a stream brings part of one frame or many.
        case receive
        /// A send of gathered frames.
        case send
        /// A receive of a datagram socket brings a frame.
        case readDatagram
        /// The socket takes more.
        case writable

        static var owner: OperationOwner { .link }
    }

    /// A frame from the guest at the start of its buffer; the lease is the receiver's.
    struct Frame {
        var lease: Lease
        /// In bytes, virtio-net header included.
        var length: Int
    }

    private enum State {
        case open
        /// Frames to the guest wait, and what comes from host sockets would only wait, too.
        case congested
        /// Nothing is received or sent any more.
        case lost
    }

    /// Operations of a socket that the kernel has.
    private struct Pending: OptionSet {
        let rawValue: UInt8
        static var receive: Pending { Pending(rawValue: 1 << 0) }
        static var send: Pending { Pending(rawValue: 1 << 1) }
    }

    private let shared: EngineShared
    private let counters: Counters
    private var queue: Queue
    /// Cuts frames out of a stream; a link of another kind has none.
    private let decoder: UnsafeMutablePointer<FrameDecoder>?
    /// Frames on their way to a socket; a device has none.
    private let sendQueue: UnsafeMutablePointer<FrameSendQueue>?
    private var state = State.open
    private var pending: Pending = []
    private var capture: FrameCapture

    /// - Parameter queue: the link's descriptor, which is the port's from here on.
    init(
        _ queue: consuming Queue, _ framing: Link.Framing, shared: EngineShared,
        pool: UnsafeMutablePointer<BufferPool>, counters: Counters
    ) throws(MemoryFailure) {
        (decoder, sendQueue) = try Self.memory(framing, pool, counters)
        self.queue = queue
        self.shared = shared
        self.counters = counters
        capture = FrameCapture(shared.configuration.capture)
    }

    /// The ring must have gone before: it knows this memory.
    deinit {
        decoder?.deinitialize(count: 1)
        decoder?.deallocate()
        sendQueue?.deinitialize(count: 1)
        sendQueue?.deallocate()
    }

    /// What a socket needs, at fixed places because the kernel reads and writes there.
    private static func memory(
        _ framing: Link.Framing, _ pool: UnsafeMutablePointer<BufferPool>, _ counters: Counters
    ) throws(MemoryFailure) -> (UnsafeMutablePointer<FrameDecoder>?, UnsafeMutablePointer<FrameSendQueue>?) {
        guard framing != .device else { return (nil, nil) }
        var blocks = MemoryBlocks()
        let sendQueue = try blocks.apart(1, of: FrameSendQueue.self)
        var decoder: UnsafeMutablePointer<FrameDecoder>?
        if case .stream(let streamFraming) = framing {
            let memory = try blocks.apart(1, of: FrameDecoder.self)
            memory.initialize(to: try FrameDecoder(streamFraming))
            decoder = memory
        }
        do throws(MemoryFailure) {
            sendQueue.initialize(to: try FrameSendQueue(framing, pool: pool, counters: counters))
        } catch {
            decoder?.deinitialize(count: 1)
            throw error
        }
        blocks.keep()
        return (decoder, sendQueue)
    }

    // MARK: The turn

    /// Whether host sockets are better not read.
    var isCongested: Bool {
        mutating get { state == .congested }
    }

    /// Buffers that the kernel may read frames into.
    var buffers: Int { queue.available }

    /// Puts buffers where the kernel looks for them, and arms reads. A stream goes on with `nextFrame`.
    mutating func refill(_ core: inout ShardCore) {
        guard decoder == nil else { return }
        queue.refill(&core.reactor.ring, from: core.pool, readTag)
    }

    /// The tag of reads that each bring one frame.
    @inline(__always)
    private var readTag: OperationTag {
        mutating get { (sendQueue == nil ? Operation.read : .readDatagram).tag() }
    }

    /// Routes a completion of one of the component's operations; returns a frame that it has brought. There may be more,
    /// which `nextFrame` has.
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
            if queue.isIdle { refill(&core) }
            return Frame(lease: lease, length: length)
        case .starved: counters.add(.linkReadsStarved)
        case .nothing: break
        case .lost(let error): lose(.linkLost(errno: error))
        }
        return nil
    }

    /// A frame that came without a virtio-net header, for which room was left before it.
    private mutating func readDatagram(_ completion: Completion, _ core: inout ShardCore) -> Frame? {
        guard let frame = read(completion, &core) else { return nil }
        VirtioNetFields().write(to: core.space.address(of: frame.lease))
        return Frame(lease: frame.lease, length: VirtioNetHeader.length + frame.length)
    }

    // MARK: Frames from a stream

    /// The next frame of what a stream has received; `nil` when there is none, and then more is received unless buffers must
    /// come back first.
    @inline(__always)
    mutating func nextFrame(_ core: inout ShardCore) -> Frame? {
        guard let decoder else { return nil }
        return nextFrame(decoder, &core)
    }

    private mutating func nextFrame(
        _ decoder: UnsafeMutablePointer<FrameDecoder>, _ core: inout ShardCore
    ) -> Frame? {
        guard state != .lost, !pending.contains(.receive) else { return nil }
        switch decoder.pointee.next(core.pool) {
        case .frame(let lease, let length): return Frame(lease: lease, length: length)
        case .incomplete:
            pending.insert(.receive)
            core.reactor.ring.receive(
                queue.descriptor, into: decoder.pointee.room(in: core.space), Operation.receive.tag())
        case .starved: counters.add(.linkReadsStarved)
        case .malformed(let length):
            counters.add(.linkLengthsRefused)
            lose(.linkMalformed(length: length))
        }
        return nil
    }

    private mutating func received(_ completion: Completion, _ core: inout ShardCore) -> Frame? {
        pending.remove(.receive)
        guard let decoder else { return nil }
        // A send may have found out first; only now is the memory ours that was received into.
        if completion.result > 0 { decoder.pointee.received(Int(completion.result)) }
        if state == .lost {
            discardPartial(decoder, core.pool)
            return nil
        }
        if completion.result > 0 { return nextFrame(decoder, &core) }
        switch -completion.result {
        // The next turn receives again.
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

    /// Sends a frame to the guest. Takes its leases.
    mutating func write(_ frame: OutgoingFrame, _ core: inout ShardCore) {
        note(frame, core.space)
        if let sendQueue { return gather(frame, sendQueue, &core) }
        let start = core.space.address(of: frame.lease) + Int(frame.offset)
        let tag = Operation.write.tag(index: frame.lease.rawValue)
        guard !frame.payload.isNone else {
            return queue.write(&core.reactor.ring, start, length: frame.length, tag)
        }
        // Both pieces are described behind the headers, in the header's own buffer, which lives as long as the
        // operation; so does what reminds us of the payload's hold.
        let slices = (core.space.address(of: frame.lease) + 1_024).assumingMemoryBound(to: iovec.self)
        let payload = core.space.address(of: frame.payload) + Int(frame.payloadOffset)
        slices[0] = iovec(iov_base: start, iov_len: Int(frame.length))
        slices[1] = iovec(iov_base: payload, iov_len: Int(frame.payloadLength))
        core.space.state(of: frame.lease).pointee.attached = frame.payload
        queue.write(&core.reactor.ring, slices, tag)
    }

    private mutating func written(_ completion: Completion, _ core: inout ShardCore) {
        let lease = Lease(rawValue: completion.tag.index)
        let state = core.space.state(of: lease)
        let payload = state.pointee.attached
        if !payload.isNone {
            state.pointee.attached = .none
            core.release(payload)
        }
        core.release(lease)
        if completion.result < 0 {
            // The frame is lost as a frame on a wire is; TCP sends it again.
            counters.add(.linkWritesFailed)
        }
    }

    /// Takes a frame over, and sends what is gathered when no more can be.
    private mutating func gather(
        _ frame: OutgoingFrame, _ sendQueue: UnsafeMutablePointer<FrameSendQueue>, _ core: inout ShardCore
    ) {
        sendQueue.pointee.append(frame)
        if sendQueue.pointee.isFull { flush(sendQueue, &core) }
        noteCongestion(sendQueue)
    }

    /// Sends what the turn has gathered for a socket, unless a send is in flight.
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

    /// Sends what is left of the batch being sent; true when it is gone already.
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

    /// What is gathered meanwhile goes at the end of the turn.
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

    /// Whether the guest has read what it was sent, as far as can be seen: the link holds no more than so many bytes. A
    /// device takes frames at once.
    func isQuiet(below bytes: Int) -> Bool {
        guard let sendQueue else { return true }
        return !sendQueue.pointee.isSending && Int(ringway_unsent(queue.descriptor)) <= bytes
    }

    // MARK: Counting and capturing

    /// Counts a frame from the guest, and captures it.
    @inline(__always)
    mutating func note(_ frame: Frame, _ bytes: UnsafeRawBufferPointer) {
        counters.add(.framesFromGuest)
        counters.add(.bytesFromGuest, frame.length)
        if capture.isOn { capture.append(.fromGuest, bytes) }
    }

    /// Counts a frame to the guest, and captures it.
    @inline(__always)
    private mutating func note(_ frame: OutgoingFrame, _ space: BufferSpace) {
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

    /// Hands frames to this capture from now on; `nil` for none.
    mutating func setCapture(_ session: CaptureSession?) { capture = FrameCapture(session) }

    // MARK: The end

    /// Nothing is received or sent any more; reported once.
    private mutating func lose(_ event: EngineEvent) {
        guard state != .lost else { return }
        state = .lost
        // What the kernel has of ours stays until it gives it back.
        if !pending.contains(.send) { sendQueue?.pointee.close() }
        shared.report(event)
    }

    /// Closes the link, at the end of the shard.
    mutating func closeDescriptors() {
        // Operations in flight hold the socket for a while yet; its peer is to know now.
        if sendQueue != nil { _ = shutdown(queue.descriptor, Int32(SHUT_RDWR)) }
        Endpoint.close(queue.descriptor, reset: false)
    }
}
