internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwaySystem

/// One of the two sockets of a relay.
@frozen
public struct RelayEnd: BitwiseCopyable {
    public var descriptor: Int32
    /// The connection has failed; only data that the peer sent before can still be read.
    public var isBroken = false

    public init(descriptor: Int32) { self.descriptor = descriptor }
}

/// One direction of a relay. Bytes are moved through a pipe by splice(2), so that pages move without a copy. If there
/// is no pipe or the kernel cannot splice from the source, bytes are copied.
///
/// Nothing is read from the source until the sink has accepted earlier data, so that a slow sink slows the source
/// (backpressure). Besides the sockets, only the pipe buffers data.
@frozen
public struct RelayDirection: BitwiseCopyable {
    /// The framing of the two streams: plain bytes, or records (`StreamRecord`) on an agent's channel.
    public enum Framing: UInt8, BitwiseCopyable {
        /// Plain bytes on both sockets. End of file ends the direction.
        case plain
        /// The sink is an agent's channel. The end of the direction is sent as a record; a channel that closes without
        /// that record was reset.
        case intoRecords
        /// The source is an agent's channel, with the same framing.
        case outOfRecords
    }

    /// The pipe, which the direction has only while bytes are in it; otherwise `none`.
    public var pipe = Pipe.none
    /// Bytes in the pipe.
    public var queued = 0
    /// Payload bytes moved.
    public var bytes: UInt64 = 0
    /// Whether the source may have data or end of file. EAGAIN clears this, and the next edge sets it again.
    public var isReadable = false
    /// Whether the sink may have room.
    public var isWritable = true
    /// The source has ended its direction.
    public var hasEnded = false
    /// The end of the direction has been passed to the sink.
    public var isShut = false
    public let framing: Framing
    /// Whether all bytes are copied, because the kernel cannot splice from the source.
    var isCopied = false
    var header = RecordHeader()
    /// The bytes of the current record that are still in the source: of a record that is being received, or of a record
    /// whose header has been sent and whose payload is being copied.
    var owed = 0

    public init(_ framing: Framing = .plain) { self.framing = framing }

    /// Whether a move may make progress.
    public var canMove: Bool {
        if isShut { return false }
        if queued == 0, hasEnded { return framing != .intoRecords || isWritable }
        return isWritable && (queued > 0 || isReadable)
    }
}

extension RelayDirection {
    /// How a move ended.
    public enum Outcome {
        /// The source or the sink returned EAGAIN, the budget is used up, or the direction has ended.
        case moved
        /// The source, or the sink, has failed.
        case sourceBroken, sinkBroken
    }

    /// Moves bytes from `source` to `sink` until EAGAIN, or until `budget` is used up.
    ///
    /// - Parameter budget: the number of bytes after which moving stops; the moved bytes are subtracted.
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
                // `copyAll` has sent the header of a record, which announced its length: the rest of that record must
                // be copied, too.
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
                    // The kernel reports a socket's error once, and end of file after that, so end of file from a
                    // broken source is not orderly. In a stream of records only the end record is an orderly end.
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

    /// Passes the end of the direction to the sink: by shutdown(2), or on a channel by a record.
    private mutating func finish(_ sink: Int32) -> Outcome {
        guard framing == .intoRecords else {
            // The result is not checked: the error of a failed sink is reported as an event.
            HostCalls.shutdown(sink, Int32(SHUT_WR))
            isShut = true
            return .moved
        }
        if header.isDone { header.write(StreamRecord.end) }
        if let outcome = sendHeader(sink) { return outcome }
        isShut = true
        return .moved
    }

    /// Receives the next record's header, if the previous record is complete. If this returns an outcome, the move
    /// ends with it.
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

    /// Whether the channel has failed, closed or sent more after the record that ends this direction. Without this
    /// check only a send in the other direction would detect that, and there may be nothing to send.
    public mutating func isSourceGoneAfterEnd(_ source: RelayEnd) -> Bool {
        guard framing == .outOfRecords, isShut, isReadable else { return false }
        isReadable = false
        var byte: UInt8 = 0
        let count = HostCalls.receive(source.descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count >= 0 || errno != EAGAIN && errno != EINTR
    }

    // MARK: Copies

    /// Copies bytes: there is no pipe, the kernel cannot splice from the source, or a record was begun by copying.
    /// Bytes stay in the source until the sink has accepted them.
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

    /// Closes the pipe, whose bytes are lost.
    public mutating func abandon(_ pipes: inout PipePool) {
        guard !pipe.isNone else { return }
        pipes.discard(pipe)
        pipe = .none
        queued = 0
    }
}
