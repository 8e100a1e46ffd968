internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage

/// The removal of a guest from a shard that continues to serve others.
///
/// Each turn cancels operations and closes sockets, up to a limit. Completions are still handled, even if the socket
/// or flow no longer exists, because that releases the buffers of their operations. The guest has ended when
/// everything is closed and all mail between its parts has been read. The shard then removes the guest as soon as
/// none of its operations is in flight.
struct GuestEnding {
    /// The most slots of each table of sockets, listeners and relays that one turn visits.
    private static var perTurn: Int { 256 }

    /// Notified when the shard has removed the guest; `nil` while the guest is not ending.
    private(set) var removal: GuestRemoval?
    // Positions in the tables from which the next turn continues.
    private var connection: UInt32 = 0
    private var stream: UInt32 = 0
    private var mapping: UInt32 = 0
    private var listener: UInt32 = 0
    private var relay: UInt32 = 0
    /// Whether everything is closed.
    private var isClosed = false
    /// Whether all parts of the guest were ending at the end of the last turn.
    private var areAllEnding = false
    /// Whether all mail from other parts of the guest has been read, and no more can arrive.
    private var hasAllMail = false

    @inline(__always)
    var hasBegun: Bool {
        mutating get { removal != nil }
    }

    /// Starts the removal. `goOn` later closes the sockets that `GuestDataPath.close` leaves open. TCP connections are
    /// then reset, because the guest no longer exists.
    mutating func begin(_ removal: GuestRemoval, _ dataPath: inout GuestDataPath, _ core: inout ShardCore) {
        self.removal = removal
        // Queued operations refer to their socket by its descriptor number, which may be reused after a close, so
        // they are submitted first.
        core.reactor.ring.submitAll()
        dataPath.close(&core)
        dataPath.shared.noteEnding()
    }

    /// Closes more sockets and flows, at the end of a turn.
    mutating func goOn(_ dataPath: inout GuestDataPath, _ core: inout ShardCore) {
        guard !isClosed else { return }
        // As in `begin`: operations queued in this turn are submitted before their sockets are closed.
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

    /// The current time if an ending guest must be served again immediately, because there is more to close or the
    /// last mail from other parts must be read; otherwise `nil`.
    mutating func deadline(now: UInt64) -> UInt64? {
        hasBegun && (!isClosed || areAllEnding && !hasAllMail) ? now : nil
    }

    /// Whether everything is closed and all mail has been read, so that only completions of the guest can follow.
    ///
    /// - Parameters:
    ///   - isDrained: whether all mail that had arrived in this turn has been read.
    ///   - areAllEnding: whether all parts of the guest are ending now.
    mutating func hasEnded(isDrained: Bool, areAllEnding areAllEndingNow: Bool) -> Bool {
        // All parts were already ending in the last turn, so the mail that has been read in this turn was their last.
        if areAllEnding, isDrained { hasAllMail = true }
        areAllEnding = areAllEndingNow
        return hasAllMail && isClosed
    }

    /// Closes everything immediately, after the ring has failed.
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

/// The information about a removed guest that is needed to notify its engine.
struct EndedGuest {
    let shared: EngineShared
    let part: Int
    let place: GuestPlace
    let removal: GuestRemoval?

    /// Notifies the engine that it may free the guest's memory.
    func notifyEngine() {
        // Commands that are still queued, or come later, are abandoned, so that their senders do not wait for them.
        shared.commands[part].close()
        removal?.done()
    }
}
