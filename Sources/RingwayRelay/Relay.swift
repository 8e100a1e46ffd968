internal import CRingway
internal import Glibc
internal import RingwaySystem

/// Relays bytes between two connected sockets.
///
/// ## Theory of operation
///
/// The *near* end is a socket connected to a client or to a server. The *far* end is another such socket, for example
/// inside the guest's network namespace, or an *agent's channel*: a connection between the host and an agent. The
/// host and the agent each relay between the channel and a socket of their own. On a channel, bytes are framed as
/// records (`StreamRecord`), so that the end of one direction and a reset can be told apart. Each direction is a
/// `RelayDirection` with an end of file of its own, so that a half-close is passed on. If one end fails, the other is
/// reset.
///
/// No call of a relay blocks, and a relay belongs to no event loop. Its owner waits for events of the two sockets and
/// reports readiness by `note`, once per edge, as edge-triggered epoll(7) and multishot polls of io_uring do. The relay
/// regards a socket as ready until a call on the socket returns EAGAIN. `visit` moves bytes between ready sockets, up
/// to a bound, and returns what the owner does next:
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
    ///   - far: the same for the far end.
    ///   - farHasRecords: whether the far end is an agent's channel.
    public init(near: Int32, far: Int32, farHasRecords: Bool) {
        self.near = RelayEnd(descriptor: near)
        self.far = RelayEnd(descriptor: far)
        toFar = RelayDirection(farHasRecords ? .intoRecords : .plain)
        toNear = RelayDirection(farHasRecords ? .outOfRecords : .plain)
    }

    /// The number of bytes after which one call of `visit` stops moving in a direction.
    public static var visitBytes: Int { 1 << 20 }
    /// The number of bytes after which `moveLast` stops reading from a source that failed or is to be closed.
    private static var lastBytes: Int { 16 << 20 }

    /// Makes the next visit read from both ends, regardless of reported readiness.
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

    /// Moves bytes in both directions, about `visitBytes` in each.
    public mutating func visit(_ pipes: inout PipePool) -> State {
        move(to: .far, Self.visitBytes, &pipes)
        move(to: .near, Self.visitBytes, &pipes)
        if toNear.isSourceGoneAfterEnd(far), !toFar.isShut { far.isBroken = true }
        if near.isBroken || far.isBroken {
            // Data that one end sent before it failed is still delivered, as far as the other end has room.
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

    /// Moves to `side` the data that the other end has sent so far. Called if the other end has failed, or if the owner
    /// closes the relay without waiting for end of file from the other end.
    public mutating func moveLast(to side: Side, _ pipes: inout PipePool) {
        switch side {
        case .far: toFar.isReadable = true
        case .near: toNear.isReadable = true
        }
        move(to: side, Self.lastBytes, &pipes)
    }

    // MARK: Ending

    /// Discards the bytes in both pipes. The two sockets stay open; the owner closes them.
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
