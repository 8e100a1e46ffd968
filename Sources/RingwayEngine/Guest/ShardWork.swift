internal import RingwayRing
internal import RingwayStack

/// What a shard does for a guest in a turn, in pieces after each of which the stack's effects are performed.
enum ShardWork {
    case completion(Completion)
    case message(ShardMessage)
    case command(ShardCommand)
    /// The frames of what a stream has received.
    case frames
    /// The datagrams that were gathered for the guest.
    case gatheredDatagrams
    /// Connections around the link that have something to move.
    case relays
    /// Clients that did not get around the link.
    case returnedClients
    /// Sends that the kernel had no memory for.
    case deferredSends
    /// One receive that found no buffer.
    case starvedReceive
    case timers
    /// What the turn owes: acknowledgements.
    case acknowledgements
    /// A flow, or a connection around the link, ends for the sake of other guests.
    case endFlow(IdleFlow)
    case endRelay(UInt32)
}
