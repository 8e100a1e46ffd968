internal import RingwayCapture
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage
internal import Synchronization

/// A command of the control plane to a guest's part on a shard.
enum ShardCommand: Sendable {
    /// Accept clients of published TCP ports, and receive datagrams of published UDP ports.
    case listen([ListeningSocket])
    /// Stop the listeners of these forwards (published ports), from slot `from` of the listeners' table on. The reply
    /// says that the shard no longer uses their sockets.
    case unlisten(Set<UInt32>, from: UInt32, ShardReply)
    /// Start serving the guest, after all shards have added their parts.
    case start
    /// Post the guest's frames for the neighbour with this ethernet address to this place.
    case addNeighbor(MACAddress, GuestPlace)
    case removeNeighbor(MACAddress)
    /// Relay bytes between a host socket and a channel to the guest's agent. The part takes ownership of both
    /// descriptors, which are already counted in the share.
    case join(client: Int32, channel: Int32, ChannelEnds, DescriptorShare)
    /// Free descriptors that other guests need (`GuestDataPath.giveBack`).
    case giveBack
    /// Set the guest's DNS search domains.
    case setSearchDomains([String])
    /// Set the guest's IPv4 address.
    case setGuestIPv4(IPv4Address)
    /// Remove an IPv6 address that now belongs to another guest.
    case revokeAddress(IPv6Address)
    /// Apply this policy to new flows.
    case setPolicy(DestinationPolicy)
    /// Pass frames to this capture; `nil` stops capturing.
    case setCapture(CaptureSession?)
    /// Write a chunk of the list of flows.
    case list(FlowPage)
    /// Carry out a command, then reply.
    indirect case confirmed(ShardCommand, ShardReply)
    /// Close everything and remove the guest.
    case stop(GuestRemoval)

    /// The most sockets in one command. It is also a part's budget for commands in one turn: the part carries out
    /// commands until the sum of their `cost` reaches the budget.
    static var sockets: Int { 64 }

    /// The amount that the command deducts from a turn's budget (`sockets`). `unlisten` and `giveBack` use all of it.
    var cost: Int {
        switch self {
        case .listen(let sockets): sockets.count
        case .unlisten, .giveBack: Self.sockets
        default: 1
        }
    }

    /// Carries out the command on a guest's data path. The caller performs the resulting effects (`ShardWork`).
    ///
    /// `ShardGuest` itself carries out `start`, `giveBack` and `stop`.
    func carryOut(on dataPath: inout GuestDataPath, _ core: inout ShardCore) {
        switch self {
        case .listen(let sockets): for socket in sockets { dataPath.ports.add(socket, &core, &dataPath.stack) }
        case .unlisten(let forwards, let first, let ended):
            if let next = dataPath.ports.end(of: forwards, from: first, &core, &dataPath.stack) {
                dataPath.commands.putBack(.unlisten(forwards, from: next, ended))
            } else {
                dataPath.ports.awaitEnds(ended)
            }
        case .addNeighbor(let mac, let place): dataPath.neighbors.addNeighbor(mac, at: place)
        case .removeNeighbor(let mac): dataPath.neighbors.removeNeighbor(mac)
        case .setSearchDomains(let domains): dataPath.stack.setSearchDomains(domains)
        case .setGuestIPv4(let address): dataPath.setGuestIPv4(address, &core)
        case .revokeAddress(let address): dataPath.neighbors.revokeAddress(address, now: core.now)
        case .setPolicy(let policy): dataPath.stack.policy = policy
        case .join(let client, let channel, let ends, _):
            dataPath.relays.join(client: client, channel: channel, ends, &core)
        case .setCapture(let capture): dataPath.link.setCapture(capture)
        case .list(let page): page.fill(&dataPath.stack, &dataPath.relays, now: core.now)
        case .confirmed(let command, let reply):
            command.carryOut(on: &dataPath, &core)
            reply.send()
        case .start, .giveBack, .stop: break
        }
    }

    /// Closes the descriptors that the command owns and replies to its sender, because the guest has been removed.
    /// Listening sockets are only lent, so they stay open.
    func abandon() {
        switch self {
        case .unlisten(_, _, let reply): reply.send()
        case .confirmed(let command, let reply):
            command.abandon()
            reply.send()
        case .join(let client, let channel, _, let descriptors):
            Endpoint.close(client, reset: true)
            Endpoint.close(channel, reset: false)
            descriptors.release(2)
        case .list(let page): page.reply.send()
        case .stop(let removal): removal.done()
        case .start, .listen, .addNeighbor, .removeNeighbor, .revokeAddress, .setPolicy, .setCapture,
            .setSearchDomains, .setGuestIPv4, .giveBack:
            break
        }
    }
}

/// A host socket of a published port, lent to a shard.
struct ListeningSocket: Sendable {
    let descriptor: Int32
    let forward: UInt32
    let guest: TransportAddress
    let isStream: Bool
}

/// Commands to a guest on a shard. They are rare, so a lock is fast enough.
final class CommandQueue: Sendable {
    private struct Line {
        var commands: [ShardCommand] = []
        /// The index of the next command. Earlier ones have been taken.
        var first = 0
        /// Whether the queue accepts no more commands.
        var isClosed = false
    }

    private let line = Mutex(Line())

    /// Appends a command. If the guest has been removed, the command is abandoned.
    func append(_ command: ShardCommand) {
        let isTaken = line.withLock { line in
            if !line.isClosed { line.commands.append(command) }
            return !line.isClosed
        }
        if !isTaken { command.abandon() }
    }

    /// Abandons all commands in the queue, and every later one.
    func close() {
        line.withLock { $0.isClosed = true }
        while let command = take() { command.abandon() }
    }

    var isEmpty: Bool { line.withLock { $0.first == $0.commands.count } }

    func take() -> ShardCommand? {
        line.withLock { line in
            guard line.first < line.commands.count else { return nil }
            let command = line.commands[line.first]
            line.first += 1
            if line.first == line.commands.count {
                // Taken commands are removed only when all have been taken, so that taking one moves no others. The
                // memory of a large array is freed.
                line.commands.removeAll(keepingCapacity: line.first <= 64)
                line.first = 0
            }
            return command
        }
    }

    /// Puts the unfinished rest of the command that `take` returned last back at the front of the queue.
    func putBack(_ command: ShardCommand) {
        line.withLock { line in
            if line.first > 0 {
                line.first -= 1
                line.commands[line.first] = command
            } else {
                line.commands.insert(command, at: 0)
            }
        }
    }
}
