internal import CRingway
internal import Glibc
internal import RingwaySystem

/// Relays bytes between two connected sockets.
///
/// ## Theory of operation
///
/// The *near* end is the socket on this side: a client's, or that of a dialled server. The *far* end leads into the
/// guest or to the host; if it is an agent's channel it carries records. Each direction is a `RelayDirection` with its
/// own end of file, so half-close passes through, and a failure of either end resets the other.
///
/// A relay does not wait and is independent of any loop. The owner reports readiness by `note`, once per edge, as
/// edge-triggered epoll(7) and multishot polls of io_uring do; the relay remembers it until EAGAIN. `visit` then moves
/// bytes, up to a bound, and returns whether more could be moved without waiting.
///
///     owner:  note(events, of: .near) ─► visit(&pipes) ─► .idle        wait for the next event
///                                                     ├─► .busy        visit again, after other relays
///                                                     ├─► .finished    close(reset: false)
///                                                     └─► .failed      close(reset: true)
@frozen
public struct Relay: BitwiseCopyable {
    public enum Side: UInt8, BitwiseCopyable, Sendable { case near, far }

    /// The result of a visit.
    public enum State {
        /// Nothing more can be moved now.
        case idle
        /// The bound of a visit was reached.
        case busy
        /// Both directions have ended in order.
        case finished
        /// One end has failed. The owner must reset the other.
        case failed
    }

    /// The readiness of one end.
    public struct Readiness {
        public var isReadable: Bool
        public var isWritable: Bool
        public var hasError: Bool

        public init(isReadable: Bool, isWritable: Bool, hasError: Bool) {
            self.isReadable = isReadable
            self.isWritable = isWritable
            self.hasError = hasError
        }
    }

    public var near: RelayEnd
    public var far: RelayEnd
    public var toFar: RelayDirection
    public var toNear: RelayDirection

    /// - Parameters:
    ///   - near: a descriptor, or -1 if it is not open yet.
    ///   - far: likewise.
    ///   - farHasRecords: whether the far end is an agent's channel.
    public init(near: Int32, far: Int32, farHasRecords: Bool) {
        self.near = RelayEnd(descriptor: near)
        self.far = RelayEnd(descriptor: far)
        toFar = RelayDirection(farHasRecords ? .intoRecords : .plain)
        toNear = RelayDirection(farHasRecords ? .outOfRecords : .plain)
    }

    /// The most bytes that one call of `visit` moves in each direction.
    public static var visitBytes: Int { 1 << 20 }
    /// The most bytes read from an end after it has failed.
    private static var lastBytes: Int { 16 << 20 }

    /// Makes the next visit try both ends, regardless of reported readiness.
    public mutating func tryBoth() {
        toFar.isReadable = true
        toNear.isReadable = true
    }

    /// Records readiness of an end.
    public mutating func note(_ readiness: Readiness, of side: Side) {
        switch side {
        case .near: Self.note(readiness, of: &near, from: &toFar, into: &toNear)
        case .far: Self.note(readiness, of: &far, from: &toNear, into: &toFar)
        }
    }

    private static func note(
        _ readiness: Readiness, of end: inout RelayEnd, from: inout RelayDirection, into: inout RelayDirection
    ) {
        if readiness.isReadable { from.isReadable = true }
        if readiness.isWritable { into.isWritable = true }
        if readiness.hasError, HostCalls.takeError(end.descriptor) != 0 { end.isBroken = true }
    }

    // MARK: Moving

    /// Moves bytes, at most `visitBytes` per direction.
    public mutating func visit(_ pipes: inout PipePool) -> State {
        move(to: .far, Self.visitBytes, &pipes)
        move(to: .near, Self.visitBytes, &pipes)
        if toNear.isSourceGoneAfterEnd(far), !toFar.isShut { far.isBroken = true }
        if near.isBroken || far.isBroken {
            // Data that one end sent before it failed is still delivered, as far as the other has room.
            if near.isBroken, !far.isBroken { moveLast(to: .far, &pipes) }
            if far.isBroken, !near.isBroken { moveLast(to: .near, &pipes) }
            return .failed
        }
        if toNear.isShut, toFar.isShut { return .finished }
        return toNear.canMove || toFar.canMove ? .busy : .idle
    }

    private mutating func move(to side: Side, _ limit: Int, _ pipes: inout PipePool) {
        var budget = limit
        switch side {
        case .far:
            switch toFar.move(from: near, to: far, &pipes, budget: &budget) {
            case .moved: break
            case .sourceBroken: near.isBroken = true
            case .sinkBroken: far.isBroken = true
            }
        case .near:
            switch toNear.move(from: far, to: near, &pipes, budget: &budget) {
            case .moved: break
            case .sourceBroken: far.isBroken = true
            case .sinkBroken: near.isBroken = true
            }
        }
    }

    /// Moves the data that the source sent before it failed, or before the relay is closed without waiting for its end.
    public mutating func moveLast(to side: Side, _ pipes: inout PipePool) {
        switch side {
        case .far: toFar.isReadable = true
        case .near: toNear.isReadable = true
        }
        move(to: side, Self.lastBytes, &pipes)
    }

    // MARK: Ending

    /// Discards the content of pipes; the owner closes the descriptors.
    public mutating func abandon(_ pipes: inout PipePool) {
        toFar.abandon(&pipes)
        toNear.abandon(&pipes)
    }

    /// Closes both ends. With `reset` the peers of plain sockets see RST; on a channel, a close before the end record
    /// means reset.
    public mutating func close(reset: Bool, _ pipes: inout PipePool) {
        abandon(&pipes)
        if near.descriptor >= 0 {
            if reset { HostCalls.lingerZero(near.descriptor) }
            HostCalls.close(near.descriptor)
            near.descriptor = -1
        }
        if far.descriptor >= 0 {
            if reset, toNear.framing == .plain { HostCalls.lingerZero(far.descriptor) }
            HostCalls.close(far.descriptor)
            far.descriptor = -1
        }
    }
}
