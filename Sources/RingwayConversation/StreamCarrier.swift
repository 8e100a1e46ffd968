internal import CRingway
internal import Glibc
public import RingwaySplice

/// A connection of two sockets, one of which may be a conversation, and the moving of octets between them.
///
/// The kernel says by edges when there is something to do; a visit does it, until one side has no more or no room.
@frozen
public struct StreamCarrier: BitwiseCopyable {
    /// What a visit found.
    public enum Verdict {
        /// All is done that could be done now.
        case settled
        /// There is more to do than one visit may.
        case busy
        /// Both directions have ended in good order.
        case over
        /// One side is gone. The other is to see it.
        case reset
    }

    /// The conversation; or, of two plain sockets, the client's.
    public var link: SplicedEnd
    /// The socket at our end.
    public var local: SplicedEnd
    var toLocal: SplicedDirection
    var fromLocal: SplicedDirection

    /// - Parameters:
    ///   - link: a descriptor, or -1 for one that is not there yet.
    ///   - hasRecords: whether it is a conversation.
    public init(link: Int32, local: Int32, hasRecords: Bool) {
        self.link = SplicedEnd(descriptor: link)
        self.local = SplicedEnd(descriptor: local)
        toLocal = SplicedDirection(hasRecords ? .outOfRecords : .plain)
        fromLocal = SplicedDirection(hasRecords ? .intoRecords : .plain)
    }

    /// Bytes of payload that have moved each way.
    public var octetsToLocal: UInt64 { toLocal.octets }
    public var octetsFromLocal: UInt64 { fromLocal.octets }
    /// Whether a side has ended its half of the connection.
    public var hasLinkEnded: Bool { toLocal.hasEnded }
    public var hasLocalEnded: Bool { fromLocal.hasEnded }

    /// Octets that one visit moves each way at the most.
    private static var visitOctets: Int { 1 << 20 }
    /// Octets that are still taken from a connection that has failed.
    private static var lastOctets: Int { 16 << 20 }

    /// Has the next visit look at both sides, whatever has been told of them.
    public mutating func lookAtBoth() {
        toLocal.isReadable = true
        fromLocal.isReadable = true
    }

    /// Takes note of what the kernel has told.
    public mutating func note(isReadable: Bool, isWritable: Bool, hasError: Bool, ofLink isLink: Bool) {
        if isLink {
            if isReadable { toLocal.isReadable = true }
            if isWritable { fromLocal.isWritable = true }
            if hasError, ringway_socket_error(link.descriptor) != 0 { link.isBroken = true }
        } else {
            if isReadable { fromLocal.isReadable = true }
            if isWritable { toLocal.isWritable = true }
            if hasError, ringway_socket_error(local.descriptor) != 0 { local.isBroken = true }
        }
    }

    /// Moves what there is to move.
    public mutating func visit(_ pipes: inout PipePool) -> Verdict {
        move(toLocal: true, Self.visitOctets, &pipes)
        move(toLocal: false, Self.visitOctets, &pipes)
        if toLocal.isSourceGoneAfterEnd(link), !fromLocal.isShut { link.isBroken = true }
        if link.isBroken || local.isBroken {
            // What one side sent before it went away still arrives, as far as there is room for it.
            if link.isBroken, !local.isBroken { moveLast(toLocal: true, &pipes) }
            if local.isBroken, !link.isBroken { moveLast(toLocal: false, &pipes) }
            return .reset
        }
        if toLocal.isShut, fromLocal.isShut { return .over }
        return toLocal.canMove || fromLocal.canMove ? .busy : .settled
    }

    private mutating func move(toLocal inward: Bool, _ limit: Int, _ pipes: inout PipePool) {
        var budget = limit
        let outcome =
            inward
            ? toLocal.move(from: link, to: local, &pipes, budget: &budget)
            : fromLocal.move(from: local, to: link, &pipes, budget: &budget)
        switch outcome {
        case .moved: break
        case .sourceBroken where inward, .sinkBroken where !inward: link.isBroken = true
        case .sourceBroken, .sinkBroken: local.isBroken = true
        }
    }

    private mutating func moveLast(toLocal inward: Bool, _ pipes: inout PipePool) {
        if inward { toLocal.isReadable = true } else { fromLocal.isReadable = true }
        move(toLocal: inward, Self.lastOctets, &pipes)
    }

    /// Closes what is open; after `reset` plain sockets' peers see one. A conversation that closes before its end tells
    /// of a reset by that.
    public mutating func close(reset: Bool, _ pipes: inout PipePool) {
        toLocal.abandon(&pipes)
        fromLocal.abandon(&pipes)
        if local.descriptor >= 0 {
            if reset { _ = ringway_linger_zero(local.descriptor) }
            Glibc.close(local.descriptor)
            local.descriptor = -1
        }
        if link.descriptor >= 0 {
            if reset, toLocal.form == .plain { _ = ringway_linger_zero(link.descriptor) }
            Glibc.close(link.descriptor)
            link.descriptor = -1
        }
    }
}
