internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// What is left of a guest when it has gone from a shard: enough to tell its engine.
struct GuestRemains {
    let shared: EngineShared
    let part: Int
    let place: GuestPlace
    let removal: GuestRemoval?

    /// The engine may have the guest's memory back.
    func letGo() {
        // Nothing is to wait for a guest that has gone, for whatever reason.
        shared.commands[part].close()
        removal?.done()
    }
}

/// How a guest goes from its shard, while the shard goes on with others.
///
/// Everything that the guest has in the kernel is cancelled and closed, some of it in each turn. Completions are handled as
/// ever: they release what the kernel had, and find sockets that are closing and flows that are gone. The guest has ended
/// when all is closed and no part of it can have posted anything that has not been read; the shard lets go of it when no
/// operation of it is in flight any more either.
extension ShardGuest {
    /// Sockets and flows that are ended in one turn.
    private static var perTurn: Int { 256 }

    /// How far ending has come.
    struct Ending {
        var removal: GuestRemoval?
        /// Where in the tables to go on.
        var connection: UInt32 = 0
        var stream: UInt32 = 0
        var mapping: UInt32 = 0
        var listener: UInt32 = 0
        var relay: UInt32 = 0
        /// Everything is closed.
        var isClosed = false
        /// All parts of the guest were ending when the last turn had ended.
        var areAllEnding = false
        /// No mail of another part is to come any more.
        var hasAllMail = false
    }

    var isEnding: Bool {
        mutating get { phase == .ending }
    }

    var remains: GuestRemains {
        GuestRemains(
            shared: shared, part: part, place: shared.place(of: part), removal: ending.removal)
    }

    /// Begins to close everything: host sockets with RST, as the guest that is gone would have it.
    mutating func beginEnding(_ removal: GuestRemoval, _ core: inout ShardCore) {
        phase = .ending
        // What is only queued knows its socket by a number, which another one may have in a moment.
        core.reactor.ring.submitAll()
        ending.removal = removal
        link.close(&core)
        names.close(&core)
        relays.closeSupply(&core)
        ping.close(&core)
        neighbors.close(&core)
        udp.discardGathered(&core)
        shared.noteEnding()
    }

    /// Closes some more, at the end of a turn.
    mutating func goOnEnding(_ core: inout ShardCore) {
        guard !ending.isClosed else { return }
        // As in `beginEnding`: what the turn has queued goes out before its socket is closed.
        core.reactor.ring.submitAll()
        var isClosed = !stack.forgetConnections(from: &ending.connection)
        isClosed = tcp.close(Self.perTurn, from: &ending.stream, &core) && isClosed
        isClosed = udp.close(Self.perTurn, from: &ending.mapping, &core) && isClosed
        isClosed = ports.close(Self.perTurn, from: &ending.listener, &core, &stack) && isClosed
        isClosed = relays.close(Self.perTurn, from: &ending.relay, &core) && isClosed
        tcp.closeWaiting(&core)
        if isClosed { relays.closeIdlePipes() }
        ending.isClosed = isClosed
    }

    /// An ending guest has a turn at once while there is something left to close.
    func endingDeadline(_ now: UInt64) -> UInt64? {
        phase == .ending && (!ending.isClosed || ending.areAllEnding && !ending.hasAllMail) ? now : nil
    }

    /// Whether nothing of the guest is to come any more but completions.
    ///
    /// - Parameter isDrained: all mail has been read that was there in this turn.
    mutating func hasEnded(isDrained: Bool) -> Bool {
        // What a part of the guest has posted before it began to end is here by the next turn.
        if ending.areAllEnding, isDrained { ending.hasAllMail = true }
        ending.areAllEnding = shared.areAllEnding
        return ending.hasAllMail && ending.isClosed
    }

    /// Takes mail for a guest that is not served: it is gone, or not there yet.
    mutating func discard(_ message: ShardMessage, _ core: inout ShardCore) {
        core.releaseAny(message.lease)
        if message.kind == .accepted { shared.turnAway(message.client) }
    }

    /// Gives back what the ring and the pool know of the guest, when no operation of it is in flight any more.
    mutating func unregister(_ core: inout ShardCore) { link.unregister(&core) }

    /// Closes everything at once, where the ring has failed.
    mutating func closeDescriptors(_ core: inout ShardCore) {
        tcp.closeDescriptors()
        udp.closeDescriptors()
        ping.closeDescriptors()
        ports.closeDescriptors()
        relays.closeDescriptors(&core)
        names.closeDescriptors()
        link.closeDescriptors()
    }
}
