internal import CRingway
internal import Glibc

/// One of the two sockets of a connection that is spliced.
@frozen
public struct SplicedEnd: BitwiseCopyable {
    public var descriptor: Int32
    /// The connection has failed: what its peer sent before is all there will be.
    public var isBroken = false

    public init(descriptor: Int32) { self.descriptor = descriptor }
}

/// What goes one way between two sockets: through a pipe, by splice(2), so that the kernel hands over its pages and
/// nobody copies them.
///
/// The sockets' own buffers are all the memory there is: nothing more is read from one while the other does not take
/// what was read.
@frozen
public struct SplicedDirection: BitwiseCopyable {
    /// How octets lie in the two sockets' streams.
    public enum Form: UInt8, BitwiseCopyable {
        /// As they are. The stream's end is the direction's.
        case plain
        /// The sink gets records of the agent's: the end is a record, and a stream that ends without it was reset.
        case intoRecords
        /// So does the source have them.
        case outOfRecords
    }

    /// There only while octets are in it.
    public var pipe = Pipe.none
    /// Octets in the pipe.
    public var queued = 0
    /// Octets that have gone this way.
    public var octets: UInt64 = 0
    /// Whether the source may have something, an end included. The kernel tells when it does again.
    public var isReadable = false
    /// Whether the sink may have room.
    public var isWritable = true
    /// The source has ended.
    public var hasEnded = false
    /// The sink has been told of the end.
    public var isShut = false
    public let form: Form
    /// Octets are copied: the kernel splices no sockets of this kind.
    var isCopied = false
    var header = RecordHeader()
    /// Octets of the present record that the source still has: of one that is read, or of one that is copied and whose
    /// header is out.
    var owed = 0

    public init(_ form: Form = .plain) { self.form = form }

    /// Whether there is anything to try.
    public var canMove: Bool {
        if isShut { return false }
        if queued == 0, hasEnded { return form != .intoRecords || isWritable }
        return isWritable && (queued > 0 || isReadable)
    }
}

/// How a turn at moving octets ended.
public enum SplicedOutcome {
    /// Both sockets have been asked for all they could do, or the turn is over.
    case moved
    /// The source, or the sink, is broken.
    case sourceBroken, sinkBroken
}

extension SplicedDirection {
    /// Moves octets from `source` to `sink` until there are none, or no room, or `budget` is used up.
    ///
    /// - Parameter budget: octets; what has been moved is taken off.
    public mutating func move(
        from source: SplicedEnd, to sink: SplicedEnd, _ pipes: inout PipePool, budget: inout Int
    ) -> SplicedOutcome {
        let before = budget
        let outcome = moveAll(from: source, to: sink.descriptor, &pipes, budget: &budget)
        octets &+= UInt64(before - budget)
        if queued == 0, !pipe.isNone {
            pipes.put(pipe)
            pipe = .none
        }
        return outcome
    }

    private mutating func moveAll(
        from source: SplicedEnd, to sink: Int32, _ pipes: inout PipePool, budget: inout Int
    ) -> SplicedOutcome {
        while budget > 0, !isShut {
            if queued == 0 {
                guard !hasEnded else { return finish(sink) }
                guard isReadable, isWritable else { return .moved }
                // What has been promised to the sink is copied to the end.
                if isCopied || form == .intoRecords && owed > 0 {
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
                let limit = form == .outOfRecords ? min(owed, PipePool.pipeOctets) : PipePool.pipeOctets
                let count = ringway_splice(source.descriptor, pipe.writing, limit)
                switch count {
                case 1...:
                    queued = count
                    if form == .outOfRecords { owed -= count }
                    if form == .intoRecords { header.write(UInt32(count)) }
                case 0:
                    // A failure is told once; after that the socket looks as if its peer had ended in good order. And a
                    // stream of records ends by a record.
                    guard !source.isBroken, form != .outOfRecords else { return .sourceBroken }
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
            let count = ringway_splice(pipe.reading, sink, queued)
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

    /// Tells the sink of the end.
    private mutating func finish(_ sink: Int32) -> SplicedOutcome {
        guard form == .intoRecords else {
            // A sink that is gone tells so by itself.
            _ = shutdown(sink, Int32(SHUT_WR))
            isShut = true
            return .moved
        }
        if header.isDone { header.write(0) }
        if let outcome = sendHeader(sink) { return outcome }
        isShut = true
        return .moved
    }

    /// Reads the next record's header where one is due; an outcome means that the turn is over.
    private mutating func openRecord(_ source: SplicedEnd) -> SplicedOutcome? {
        guard form == .outOfRecords, owed == 0 else { return nil }
        switch header.receive(source.descriptor) {
        case .record(let octets): owed = octets
        case .end: hasEnded = true
        case .waiting:
            isReadable = false
            return .moved
        case .broken: return .sourceBroken
        }
        return nil
    }

    private mutating func sendHeader(_ sink: Int32) -> SplicedOutcome? {
        switch header.send(sink) {
        case .sent: return nil
        case .waiting:
            isWritable = false
            return .moved
        case .broken: return .sinkBroken
        }
    }

    /// Whether a source of records is gone, or goes on, after it has told its end: only the other direction tells that
    /// otherwise, and there may be nothing to send.
    public mutating func isSourceGoneAfterEnd(_ source: SplicedEnd) -> Bool {
        guard form == .outOfRecords, isShut, isReadable else { return false }
        isReadable = false
        var octet: UInt8 = 0
        let count = recv(source.descriptor, &octet, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT))
        return count >= 0 || errno != EAGAIN && errno != EINTR
    }

    // MARK: Copies

    /// The way without a pipe, when no descriptor is left for one: octets stay with the source until the sink has taken
    /// them.
    private mutating func copyAll(
        from source: SplicedEnd, to sink: Int32, _ pipes: inout PipePool, budget: inout Int
    ) -> SplicedOutcome {
        while budget > 0 {
            if let outcome = openRecord(source) { return outcome }
            if hasEnded { return .moved }
            let count = pipes.peek(source.descriptor, limit: owed > 0 ? owed : .max)
            switch count {
            case 1...: break
            case 0:
                guard !source.isBroken, form != .outOfRecords else { return .sourceBroken }
                hasEnded = true
                return .moved
            case Int(-EAGAIN):
                isReadable = false
                return .moved
            case Int(-EINTR): continue
            default: return .sourceBroken
            }
            if form == .intoRecords {
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
                if form != .plain { owed -= taken }
            case 0, Int(-EAGAIN):
                isWritable = false
                return .moved
            case Int(-EINTR): continue
            default: return .sinkBroken
            }
        }
        return .moved
    }

    /// Gives up what is in the pipe.
    public mutating func abandon(_ pipes: inout PipePool) {
        guard !pipe.isNone else { return }
        pipes.discard(pipe)
        pipe = .none
        queued = 0
    }
}
