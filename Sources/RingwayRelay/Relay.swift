internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A connection of two sockets, and the moving of bytes between them.
///
/// ## Theory of operation
///
/// The *near* end is the socket on this side: a client's, or that of a server which was dialled. The *far* end leads on:
/// into the guest, or to the host; where it is an agent's channel it carries records. Each way is a `RelayDirection` with
/// its own end, so half-close passes through, and a failure of either end resets the other.
///
/// A relay waits for nothing and knows no loop. Its owner tells it of readiness by `note`, once for each change, as
/// edge-triggered epoll(7) and multishot polls of io_uring report it; the relay remembers that until the kernel says
/// EAGAIN. `visit` then moves what can be moved, up to a bound, and says whether there is more to do without waiting.
///
///     owner:  note(events, of: .near) ─► visit(&pipes) ─► .idle        wait for the next event
///                                                     ├─► .busy        visit again after the others' turn
///                                                     ├─► .finished    close(reset: false)
///                                                     └─► .failed      close(reset: true)
@frozen
public struct Relay: BitwiseCopyable {
    public enum Side: UInt8, BitwiseCopyable, Sendable { case near, far }

    /// What a visit came to.
    public enum State {
        /// All is done that could be done now.
        case idle
        /// There is more to do than one visit may.
        case busy
        /// Both directions have ended in good order.
        case finished
        /// One end has failed. The other is to be reset.
        case failed
    }

    /// What the kernel says of one end.
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
    ///   - near: a descriptor, or -1 for one that is not there yet.
    ///   - far: the same.
    ///   - farHasRecords: whether the far end is an agent's channel.
    public init(near: Int32, far: Int32, farHasRecords: Bool) {
        self.near = RelayEnd(descriptor: near)
        self.far = RelayEnd(descriptor: far)
        toFar = RelayDirection(farHasRecords ? .intoRecords : .plain)
        toNear = RelayDirection(farHasRecords ? .outOfRecords : .plain)
    }

    /// Bytes that one visit moves each way at the most.
    public static var visitBytes: Int { 1 << 20 }
    /// Bytes that are still taken from a connection that has failed.
    private static var lastBytes: Int { 16 << 20 }

    /// Has the next visit try both ends, whatever has been said of them.
    public mutating func tryBoth() {
        toFar.isReadable = true
        toNear.isReadable = true
    }

    /// Takes note of what the kernel says.
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

    /// Moves what there is to move, `visitBytes` each way at the most.
    public mutating func visit(_ pipes: inout PipePool) -> State {
        move(to: .far, Self.visitBytes, &pipes)
        move(to: .near, Self.visitBytes, &pipes)
        if toNear.isSourceGoneAfterEnd(far), !toFar.isShut { far.isBroken = true }
        if near.isBroken || far.isBroken {
            // What one end sent before it failed still arrives, as far as there is room for it.
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

    /// Moves what the source had sent before it failed, or before the relay is closed without waiting for its end.
    public mutating func moveLast(to side: Side, _ pipes: inout PipePool) {
        switch side {
        case .far: toFar.isReadable = true
        case .near: toNear.isReadable = true
        }
        move(to: side, Self.lastBytes, &pipes)
    }

    // MARK: Ending

    /// Drops what is in pipes; the descriptors are the owner's to close.
    public mutating func abandon(_ pipes: inout PipePool) {
        toFar.abandon(&pipes)
        toNear.abandon(&pipes)
    }

    /// Closes what is open. With `reset` the peers of plain sockets see one; of a channel, closing before the record of
    /// the end says that.
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
