internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// One of the two sockets of a relay.
@frozen
public struct RelayEnd: BitwiseCopyable {
    public var descriptor: Int32
    /// The connection has failed: what its peer sent before is all there will be.
    public var isBroken = false

    public init(descriptor: Int32) { self.descriptor = descriptor }
}

/// One way between two sockets: through a pipe, by splice(2), so that the kernel moves its pages without copying them; by
/// a copy where there is no pipe to be had or the sockets cannot be spliced.
///
/// The sockets' own buffers are all the memory there is: nothing more is read from one while the other does not take
/// what was read. That is the backpressure.
@frozen
public struct RelayDirection: BitwiseCopyable {
    /// How bytes lie in the two sockets' streams.
    public enum Framing: UInt8, BitwiseCopyable {
        /// As they are. The stream's end is the direction's.
        case plain
        /// The sink gets the agent's records (`StreamRecord`): the end is a record, and a stream that ends without it was
        /// reset.
        case intoRecords
        /// The source has them.
        case outOfRecords
    }

    /// There only while bytes are in it.
    public var pipe = Pipe.none
    /// Bytes in the pipe.
    public var queued = 0
    /// Bytes of payload that have gone this way.
    public var bytes: UInt64 = 0
    /// Whether the source may have something, an end included. The kernel says when it does again.
    public var isReadable = false
    /// Whether the sink may have room.
    public var isWritable = true
    /// The source has ended.
    public var hasEnded = false
    /// The end has been passed on to the sink.
    public var isShut = false
    public let framing: Framing
    /// Bytes are copied: the kernel splices no sockets of this kind.
    var isCopied = false
    var header = RecordHeader()
    /// Bytes of the present record that the source still has: of one that is read, or of one that is copied and whose
    /// header is out.
    var owed = 0

    public init(_ framing: Framing = .plain) { self.framing = framing }

    /// Whether there is anything to try.
    public var canMove: Bool {
        if isShut { return false }
        if queued == 0, hasEnded { return framing != .intoRecords || isWritable }
        return isWritable && (queued > 0 || isReadable)
    }
}

extension RelayDirection {
    /// How a visit ended.
    public enum Outcome {
        /// Both sockets have been asked for all they could do, or the budget is used up.
        case moved
        /// The source, or the sink, is broken.
        case sourceBroken, sinkBroken
    }

    /// Moves bytes from `source` to `sink` until there are none, or no room, or `budget` is used up.
    ///
    /// - Parameter budget: bytes; what has been moved is subtracted.
    public mutating func move(
        from source: RelayEnd, to sink: RelayEnd, _ pipes: inout PipePool, budget: inout Int
    ) -> Outcome {
        let before = budget
        let outcome = moveAll(from: source, to: sink.descriptor, &pipes, budget: &budget)
        bytes &+= UInt64(before - budget)
        if queued == 0, !pipe.isNone {
            pipes.put(pipe)
            pipe = .none
        }
        return outcome
    }

    private mutating func moveAll(
        from source: RelayEnd, to sink: Int32, _ pipes: inout PipePool, budget: inout Int
    ) -> Outcome {
        while budget > 0, !isShut {
            if queued == 0 {
                guard !hasEnded else { return finish(sink) }
                guard isReadable, isWritable else { return .moved }
                // What a header has announced to the sink is copied to the end.
                if isCopied || framing == .intoRecords && owed > 0 {
                    return copyAll(from: source, to: sink, &pipes, budget: &budget)
                }
                if let outcome = openRecord(source) { return outcome }
                if hasEnded { continue }
                if pipe.isNone {
                    guard let fresh = pipes.take() else {
                        return copyAll(from: source, to: sink, &pipes, budget: &budget)
                    }
                    pipe = fresh
                }
                let limit = framing == .outOfRecords ? min(owed, PipePool.pipeBytes) : PipePool.pipeBytes
                let count = HostCalls.splice(source.descriptor, pipe.writing, limit)
                switch count {
                case 1...:
                    queued = count
                    if framing == .outOfRecords { owed -= count }
                    if framing == .intoRecords { header.write(UInt32(count)) }
                case 0:
                    // A failure is reported once; after that the socket looks as if its peer had closed in good order.
                    // And a stream of records ends by a record.
                    guard !source.isBroken, framing != .outOfRecords else { return .sourceBroken }
                    hasEnded = true
                    continue
                case Int(-EAGAIN):
                    isReadable = false
                    return .moved
                case Int(-EINTR): continue
                case Int(-EINVAL):
                    isCopied = true
                    continue
                default: return .sourceBroken
                }
            }
            guard isWritable else { return .moved }
            if let outcome = sendHeader(sink) { return outcome }
            let count = HostCalls.splice(pipe.reading, sink, queued)
            switch count {
            case 1...:
                queued -= count
                budget -= count
            case 0, Int(-EAGAIN): isWritable = false
            case Int(-EINTR): continue
            default: return .sinkBroken
            }
        }
        return .moved
    }

    // MARK: Records and ends

    /// Passes the end on to the sink.
    private mutating func finish(_ sink: Int32) -> Outcome {
        guard framing == .intoRecords else {
            // A sink that is gone reports that by itself.
            HostCalls.shutdown(sink, Int32(SHUT_WR))
            isShut = true
            return .moved
        }
        if header.isDone { header.write(StreamRecord.end) }
        if let outcome = sendHeader(sink) { return outcome }
        isShut = true
        return .moved
    }

    /// Reads the next record's header where one is due; an outcome ends the visit.
    private mutating func openRecord(_ source: RelayEnd) -> Outcome? {
        guard framing == .outOfRecords, owed == 0 else { return nil }
        switch header.receive(source.descriptor) {
        case .record(let bytes): owed = bytes
        case .end: hasEnded = true
        case .incomplete:
            isReadable = false
            return .moved
        case .broken: return .sourceBroken
        }
        return nil
    }

    private mutating func sendHeader(_ sink: Int32) -> Outcome? {
        switch header.send(sink) {
        case .whole: return nil
        case .part:
            isWritable = false
            return .moved
        case .broken: return .sinkBroken
        }
    }

    /// Whether a source of records is gone, or sends more, after the record of its end. Only a send the other way would
    /// show that otherwise, and there may be nothing to send.
    public mutating func isSourceGoneAfterEnd(_ source: RelayEnd) -> Bool {
        guard framing == .outOfRecords, isShut, isReadable else { return false }
        isReadable = false
        var byte: UInt8 = 0
        let count = HostCalls.receive(source.descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count >= 0 || errno != EAGAIN && errno != EINTR
    }

    // MARK: Copies

    /// The way without a pipe, when no descriptor is left for one: bytes stay with the source until the sink has taken
    /// them.
    private mutating func copyAll(
        from source: RelayEnd, to sink: Int32, _ pipes: inout PipePool, budget: inout Int
    ) -> Outcome {
        while budget > 0 {
            if let outcome = openRecord(source) { return outcome }
            if hasEnded { return .moved }
            let count = pipes.peek(source.descriptor, limit: owed > 0 ? owed : .max)
            switch count {
            case 1...: break
            case 0:
                guard !source.isBroken, framing != .outOfRecords else { return .sourceBroken }
                hasEnded = true
                return .moved
            case Int(-EAGAIN):
                isReadable = false
                return .moved
            case Int(-EINTR): continue
            default: return .sourceBroken
            }
            if framing == .intoRecords {
                if owed == 0 {
                    owed = count
                    header.write(UInt32(count))
                }
                if let outcome = sendHeader(sink) { return outcome }
            }
            let taken = pipes.pass(count, from: source.descriptor, to: sink)
            switch taken {
            case 1...:
                budget -= taken
                if framing != .plain { owed -= taken }
            case 0, Int(-EAGAIN):
                isWritable = false
                return .moved
            case Int(-EINTR): continue
            default: return .sinkBroken
            }
        }
        return .moved
    }

    /// Drops what is in the pipe.
    public mutating func abandon(_ pipes: inout PipePool) {
        guard !pipe.isNone else { return }
        pipes.discard(pipe)
        pipe = .none
        queued = 0
    }
}
