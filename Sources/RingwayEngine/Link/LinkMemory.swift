internal import RingwayLinks
internal import RingwayModel
internal import RingwayStorage

/// The memory of a `LinkPort` whose link is a socket, at fixed addresses because the kernel reads and writes it. No
/// operation may be in flight when the memory is freed.
struct LinkMemory: ~Copyable {
    /// Decodes frames of a stream; `nil` for other links.
    let decoder: UnsafeMutablePointer<FrameDecoder>?
    /// Frames to be sent to a socket; `nil` for a device.
    let sendQueue: UnsafeMutablePointer<FrameSendQueue>?

    init(
        _ framing: Link.Framing, _ pool: UnsafeMutablePointer<BufferPool>, _ counters: Counters
    ) throws(MemoryFailure) {
        guard framing != .device else {
            (decoder, sendQueue) = (nil, nil)
            return
        }
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
        self.decoder = decoder
        self.sendQueue = sendQueue
    }

    deinit {
        decoder?.deinitialize(count: 1)
        decoder?.deallocate()
        sendQueue?.deinitialize(count: 1)
        sendQueue?.deallocate()
    }
}
