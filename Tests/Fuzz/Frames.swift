import CRingway
import Glibc
import RingwayLinks
import RingwaySimulation
import RingwayStorage
import RingwayWire

/// libFuzzer calls from one thread only.
nonisolated(unsafe) private let memory = ScriptedMemory()
nonisolated(unsafe) private let buffers = FuzzBuffers()

/// A script of frames, socket events and time, played to the whole stack.
func fuzzStack(_ input: UnsafeRawBufferPointer) { ScriptedNetwork.run(input, in: memory) }

/// Buffers that must all be home when an input has ended. Few, so that they run short.
private final class FuzzBuffers {
    let space = MemoryFailure.trap { try BufferSpace(shards: 1, largeCount: 8, smallCount: 16) }
    let pool = UnsafeMutablePointer<BufferPool>.allocate(capacity: 1)

    init() { pool.initialize(to: MemoryFailure.trap { [space] in try BufferPool(space: space, shard: 0) }) }

    func requireHome() { precondition(pool.pointee.leased == 0, "\(pool.pointee.leased) buffers are not given back") }
}

/// The bytes of a stream link, as they come.
func fuzzFrameDecoder(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let framing = StreamFraming.allCases[Int(input.byte()) % StreamFraming.allCases.count]
    var decoder = MemoryFailure.trap { try FrameDecoder(framing) }
    var held: [Lease] = []
    stream: while !input.isEmpty {
        let room = decoder.room(in: buffers.space)
        precondition(!room.isEmpty, "nothing can be received")
        let choice = input.byte()
        // A guest cuts its stream as it likes; long runs are made of few bytes.
        let arrived = choice & 1 == 0 ? input.take(Int(choice >> 1)) : Array(repeating: choice, count: Int(choice) << 6)
        let count = min(arrived.count, room.count)
        arrived.withUnsafeBytes { room.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        decoder.received(count)
        while true {
            switch decoder.next(buffers.pool) {
            case .frame(let lease, let length):
                precondition(length >= VirtioNetHeader.length + EthernetHeader.length, "a frame of \(length) bytes")
                precondition(length <= buffers.space.size(of: lease), "a frame beyond its buffer")
                var summary = FrameSummary()
                _ = FrameSummary.parse(
                    UnsafeRawBufferPointer(start: buffers.space.address(of: lease), count: length), into: &summary)
                held.append(lease)
                if choice & 2 == 0 { held.popAll(buffers.pool) }
                continue
            case .incomplete: continue stream
            case .starved:
                if held.isEmpty { break stream }
                held.popAll(buffers.pool)
                continue
            case .malformed: break stream
            }
        }
    }
    _ = decoder.discard(buffers.pool)
    held.popAll(buffers.pool)
    buffers.requireHome()
}

extension [Lease] {
    fileprivate mutating func popAll(_ pool: UnsafeMutablePointer<BufferPool>) {
        for lease in self { pool.pointee.release(lease) }
        removeAll()
    }
}

/// Frames to a guest whose link is a socket: what the stack makes, and what a neighbour sends, which may be anything.
func fuzzFrameSendQueue(_ bytes: UnsafeRawBufferPointer) {
    var input = FuzzInput(bytes)
    let framings: [Link.Framing] = [.datagram] + StreamFraming.allCases.map { .stream($0) }
    let counters = Counters()
    defer { counters.deallocate() }
    let framing = framings[Int(input.byte()) % framings.count]
    var outgoing = MemoryFailure.trap { try FrameSendQueue(framing, pool: buffers.pool, counters: counters) }
    while !input.isEmpty {
        let choice = input.byte()
        if choice & 3 == 3 {
            flush(&outgoing, part: Int(choice >> 2))
        } else if let frame = frame(choice, &input) {
            outgoing.append(frame)
        }
    }
    outgoing.close()
    buffers.requireHome()
}

/// A frame in one piece or two, of bytes as they are and as many more as its first ones say.
private func frame(_ choice: UInt8, _ input: inout FuzzInput) -> OutgoingFrame? {
    let head = input.take(Int(input.byte()))
    let length = min(max(1, choice & 4 == 0 ? head.count : input.word()), 65_549)
    let lease = buffers.pool.pointee.lease(fitting: length)
    guard !lease.isNone else { return nil }
    let address = buffers.space.address(of: lease)
    memset(address, Int32(choice), length)
    head.withUnsafeBytes { head in
        if let base = head.baseAddress { address.copyMemory(from: base, byteCount: min(length, head.count)) }
    }
    guard choice & 8 != 0, length > 1 else { return OutgoingFrame(lease, offset: 0, length: UInt32(length)) }
    // The second piece in the same buffer, of which it is a second hold.
    let split = min(length - 1, max(1, Int(input.byte())))
    buffers.pool.pointee.hold(lease)
    return OutgoingFrame(
        lease, offset: 0, length: UInt32(split), payload: lease, payloadOffset: UInt32(split),
        payloadLength: UInt32(length - split))
}

/// The kernel takes a batch, at once or part by part, and reads every byte of it.
private func flush(_ outgoing: inout FrameSendQueue, part: Int) {
    if !outgoing.isSending, !outgoing.startBatch() { return }
    while outgoing.isSending {
        let message = outgoing.message()
        var byteCount = 0
        var sum: UInt8 = 0
        for index in 0..<message.pointee.msg_iovlen {
            let piece = message.pointee.msg_iov[index]
            for byte in UnsafeRawBufferPointer(start: piece.iov_base, count: piece.iov_len) { sum &+= byte }
            byteCount += piece.iov_len
        }
        fuzzSink = sum
        precondition(byteCount > 0, "an empty batch is sent")
        _ = outgoing.sent(byteCount: part == 0 ? byteCount : min(byteCount, part * 97))
    }
}

/// What has been read is read for something.
nonisolated(unsafe) var fuzzSink: UInt8 = 0
