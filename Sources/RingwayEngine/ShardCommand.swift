internal import RingwayHost
internal import RingwayStack
internal import RingwayWire
internal import Synchronization

/// What the control plane asks of a shard.
enum ShardCommand: Sendable {
    /// Accept clients of a published TCP port.
    case listen(descriptor: Int32, forward: UInt32, guest: TransportAddress)
    /// Receive datagrams for a published UDP port.
    case receive(descriptor: Int32, forward: UInt32, guest: TransportAddress)
    /// Stop a forward's listeners on this shard, and add one to the event when their ports are free; it is adopted.
    case unlisten(forward: UInt32, done: Int32)
    /// Hand frames for this ethernet address to that inbox, which is adopted.
    case addNeighbor(MACAddress, inbox: Int32)
    case removeNeighbor(MACAddress)
    /// Move octets between a host's socket and a conversation with the guest's agent, both adopted.
    case join(client: Int32, conversation: Int32)
    /// Hold new flows to this policy.
    case setPolicy(DestinationPolicy)
    case stop
}

/// Commands on their way to a shard: rare, so a lock is what they need.
final class CommandQueue: Sendable {
    private let commands = Mutex<[ShardCommand]>([])

    func append(_ command: ShardCommand) { commands.withLock { $0.append(command) } }

    func takeAll() -> [ShardCommand] {
        commands.withLock { commands in
            defer { commands.removeAll(keepingCapacity: true) }
            return commands
        }
    }
}
