internal import RingwayCapture
internal import RingwayModel
internal import RingwayStack
internal import RingwayStorage
internal import Synchronization

/// What the control plane asks of a guest's part on a shard.
enum ShardCommand: Sendable {
    /// Accept clients, and receive datagrams, of published ports.
    case listen([ListeningSocket])
    /// Stop these forwards' listeners on this shard, from a place in its table on, and give them back.
    case unlisten(Set<UInt32>, from: UInt32, ShardReply)
    /// All shards have their part of the guest: serve it.
    case start
    /// Send frames for this ethernet address there.
    case addNeighbor(MACAddress, GuestPlace)
    case removeNeighbor(MACAddress)
    /// Move bytes between a host's socket and a channel to the guest's agent, both adopted and counted.
    case join(client: Int32, channel: Int32, ChannelEnds, DescriptorShare)
    /// End flows for the sake of other guests, as many as are due.
    case giveBack
    /// Have the guest search these domains.
    case setSearchDomains([String])
    /// The guest has another IPv4 address.
    case setGuestIPv4(IPv4Address)
    /// The guest no longer has this IPv6 address, which is another one's.
    case revokeAddress(IPv6Address)
    /// Hold new flows to this policy.
    case setPolicy(DestinationPolicy)
    /// Hand frames to this capture from now on; `nil` for none.
    case setCapture(CaptureSession?)
    /// Write a part of the flows down.
    case list(FlowPage)
    /// Carry out a command, and reply when it is done.
    indirect case confirmed(ShardCommand, ShardReply)
    /// Close everything and let go of the guest.
    case stop(GuestRemoval)

    /// Sockets that one command may bring, and that a shard takes or gives back before frames get their turn.
    static var sockets: Int { 64 }

    /// How many sockets there are to open, or as many as a turn has time for.
    var cost: Int {
        switch self {
        case .listen(let sockets): sockets.count
        case .unlisten, .giveBack: Self.sockets
        default: 1
        }
    }

    /// Carries the command out on a guest's data path; its effects are to be performed (`ShardWork`).
    ///
    /// Those that concern the guest's life (`start`, `giveBack`, `stop`) are no events of its data path: `ShardGuest` carries
    /// them out.
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
        case .list(let page): page.fill(&dataPath.stack, &dataPath.relays)
        case .confirmed(let command, let reply):
            command.carryOut(on: &dataPath, &core)
            reply.send()
        case .start, .giveBack, .stop: break
        }
    }

    /// Closes what was on its way to a guest that has gone, and replies to what waits for it. Listeners are lent.
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

/// Commands on their way to a guest on a shard: rare, so a lock is what they need.
final class CommandQueue: Sendable {
    private struct Line {
        var commands: [ShardCommand] = []
        /// Commands before this one have been taken.
        var first = 0
        /// Nothing is taken any more.
        var isClosed = false
    }

    private let line = Mutex(Line())

    /// Appends a command; one for a guest that has gone is abandoned.
    func append(_ command: ShardCommand) {
        let isTaken = line.withLock { line in
            if !line.isClosed { line.commands.append(command) }
            return !line.isClosed
        }
        if !isTaken { command.abandon() }
    }

    /// Abandons everything, now and later.
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
                // Nothing of what was done is kept until there is more.
                line.commands.removeAll(keepingCapacity: line.first <= 64)
                line.first = 0
            }
            return command
        }
    }

    /// Has a command that was just taken be the next one again, in another form.
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
