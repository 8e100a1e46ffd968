internal import RingwayRing
internal import RingwayStack

/// A unit of work for a guest. After each unit, the shard performs the effects that the stack has requested.
enum ShardWork {
    case completion(Completion)
    case message(ShardMessage)
    case command(ShardCommand)
    /// Frames in the data that a stream link has received.
    case frames
    /// UDP datagrams that were gathered to be sent to the guest as one super-frame.
    case gatheredDatagrams
    /// Spliced connections with bytes to move.
    case relays
    /// Clients of published ports that could not bypass the link and must use it.
    case returnedClients
    /// TCP sends that failed with a temporary error, such as a lack of kernel memory.
    case deferredSends
    /// A TCP receive that found no buffer.
    case starvedReceive
    case timers
    /// Acknowledgements that are due at the end of the turn.
    case acknowledgements
    /// End a flow or a spliced connection to free descriptors for other guests.
    case endFlow(IdleFlow)
    case endRelay(UInt32)
}
