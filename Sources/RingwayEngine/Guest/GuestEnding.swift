internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// How a guest goes from its shard, while the shard goes on with others.
///
/// Everything that the guest has in the kernel is cancelled and closed, some of it in each turn. Completions are handled as
/// ever: they release what the kernel had, and find sockets that are closing and flows that are gone. The guest has ended
/// when all is closed and no part of it can have posted anything that has not been read; the shard lets go of it when no
/// operation of it is in flight any more either.
struct GuestEnding {
    /// Sockets and flows that are ended in one turn.
    private static var perTurn: Int { 256 }

    /// Told when the shard has let go of the guest; `nil` while the guest is not ending.
    private(set) var removal: GuestRemoval?
    // Where in the tables to go on.
    private var connection: UInt32 = 0
    private var stream: UInt32 = 0
    private var mapping: UInt32 = 0
    private var listener: UInt32 = 0
    private var relay: UInt32 = 0
    /// Everything is closed.
    private var isClosed = false
    /// All parts of the guest were ending when the last turn had ended.
    private var areAllEnding = false
    /// No mail of another part is to come any more.
    private var hasAllMail = false

    @inline(__always)
    var hasBegun: Bool {
        mutating get { removal != nil }
    }

    /// Begins to close everything: host sockets with RST, as the guest that is gone would have it.
    mutating func begin(_ removal: GuestRemoval, _ dataPath: inout GuestDataPath, _ core: inout ShardCore) {
        self.removal = removal
        // What is only queued knows its socket by a number, which another one may have in a moment.
        core.reactor.ring.submitAll()
        dataPath.close(&core)
        dataPath.shared.noteEnding()
    }

    /// Closes some more, at the end of a turn.
    mutating func goOn(_ dataPath: inout GuestDataPath, _ core: inout ShardCore) {
        guard !isClosed else { return }
        // As in `begin`: what the turn has queued goes out before its socket is closed.
        core.reactor.ring.submitAll()
        var areClosed = !dataPath.stack.forgetConnections(from: &connection)
        areClosed = dataPath.tcp.close(Self.perTurn, from: &stream, &core) && areClosed
        areClosed = dataPath.udp.close(Self.perTurn, from: &mapping, &core) && areClosed
        areClosed = dataPath.ports.close(Self.perTurn, from: &listener, &core, &dataPath.stack) && areClosed
        areClosed = dataPath.relays.close(Self.perTurn, from: &relay, &core) && areClosed
        dataPath.tcp.closeWaiting(&core)
        if areClosed { dataPath.relays.closeIdlePipes() }
        isClosed = areClosed
    }

    /// An ending guest has a turn at once while there is something left to close.
    mutating func deadline(now: UInt64) -> UInt64? {
        hasBegun && (!isClosed || areAllEnding && !hasAllMail) ? now : nil
    }

    /// Whether nothing of the guest is to come any more but completions.
    ///
    /// - Parameters:
    ///   - isDrained: all mail has been read that was there in this turn.
    ///   - areAllEnding: all parts of the guest are ending now.
    mutating func hasEnded(isDrained: Bool, areAllEnding areAllEndingNow: Bool) -> Bool {
        // What a part of the guest has posted before it began to end is here by the next turn.
        if areAllEnding, isDrained { hasAllMail = true }
        areAllEnding = areAllEndingNow
        return hasAllMail && isClosed
    }

    /// Closes everything at once, where the ring has failed.
    mutating func closeAll(of dataPath: inout GuestDataPath, _ core: inout ShardCore) {
        isClosed = true
        dataPath.tcp.closeDescriptors()
        dataPath.udp.closeDescriptors()
        dataPath.ping.closeDescriptors()
        dataPath.ports.closeDescriptors()
        dataPath.relays.closeDescriptors(&core)
        dataPath.names.closeDescriptors()
        dataPath.link.closeDescriptors()
    }
}

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
