internal import CRingway
internal import Glibc
public import RingwayStorage
public import RingwayWire

/// A connection of two sockets: the client's, accepted on the host, and one inside the guest, connected to its server.
///
/// Octets go from one to the other through pipes, by splice(2), so that the kernel hands over its pages and nobody copies
/// them. The sockets' own buffers are all the memory there is: nothing more is read from one while the other does not
/// take what was read.
@frozen
public struct SplicedStream: BitwiseCopyable {
    /// Where the connection stands.
    public enum Phase: UInt8, BitwiseCopyable {
        /// It has no socket in the guest yet.
        case waiting
        /// The guest's server has not answered yet.
        case connecting
        case moving
    }

    /// The list of the shard's on which the stream is.
    public enum Place: UInt8, BitwiseCopyable { case none, opening, running }

    public var phase = Phase.waiting
    public var client: SplicedEnd
    public var guest = SplicedEnd(descriptor: -1)
    public var toGuest = SplicedDirection()
    public var fromGuest = SplicedDirection()
    /// The client's address as the host sees it, and the guest's server: what it takes to go by the link instead.
    public var clientAddress: TransportAddress
    public var server: TransportAddress
    /// The listener's entry in the shard's table.
    public var forward: Handle
    /// While opening: when to give up, in monotonic nanoseconds.
    public var deadline: UInt64 = 0
    public var place = Place.none
    public var previous: UInt32 = .max
    public var next: UInt32 = .max

    public init(client: Int32, address: TransportAddress, server: TransportAddress, forward: Handle) {
        self.client = SplicedEnd(descriptor: client)
        clientAddress = address
        self.server = server
        self.forward = forward
    }

    /// Whether both ends have said all they had to say, and it has been passed on.
    public var isOver: Bool { toGuest.isShut && fromGuest.isShut }
}

/// One of the two sockets.
@frozen
public struct SplicedEnd: BitwiseCopyable {
    public var descriptor: Int32
    /// The connection has failed: what its peer sent before is all there will be.
    public var isBroken = false

    public init(descriptor: Int32) { self.descriptor = descriptor }
}

/// What goes one way.
@frozen
public struct SplicedDirection: BitwiseCopyable {
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
    /// The source's FIN has come.
    public var hasEnded = false
    /// The sink has been sent FIN.
    public var isShut = false

    @inlinable init() {}

    /// Whether there is anything to try.
    public var canMove: Bool {
        if isShut { return false }
        if queued == 0, hasEnded { return true }
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
                guard !hasEnded else {
                    // A sink that is gone tells so by itself.
                    _ = shutdown(sink, Int32(SHUT_WR))
                    isShut = true
                    return .moved
                }
                guard isReadable, isWritable else { return .moved }
                if pipe.isNone {
                    guard let fresh = pipes.take() else {
                        return copyAll(from: source, to: sink, &pipes, budget: &budget)
                    }
                    pipe = fresh
                }
                let count = ringway_splice(source.descriptor, pipe.writing, PipePool.pipeOctets)
                switch count {
                case 1...: queued = count
                case 0:
                    // A failure is told once. After that the socket looks as if its peer had ended in good order.
                    guard !source.isBroken else { return .sourceBroken }
                    hasEnded = true
                    continue
                case Int(-EAGAIN):
                    isReadable = false
                    return .moved
                case Int(-EINTR): continue
                default: return .sourceBroken
                }
            }
            guard isWritable else { return .moved }
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

    /// The way without a pipe, when no descriptor is left for one: octets stay with the source until the sink has taken
    /// them.
    private mutating func copyAll(
        from source: SplicedEnd, to sink: Int32, _ pipes: inout PipePool, budget: inout Int
    ) -> SplicedOutcome {
        while budget > 0 {
            let count = pipes.peek(source.descriptor)
            switch count {
            case 1...: break
            case 0:
                guard !source.isBroken else { return .sourceBroken }
                hasEnded = true
                return .moved
            case Int(-EAGAIN):
                isReadable = false
                return .moved
            case Int(-EINTR): continue
            default: return .sourceBroken
            }
            let taken = pipes.pass(count, from: source.descriptor, to: sink)
            switch taken {
            case 1...: budget -= taken
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
