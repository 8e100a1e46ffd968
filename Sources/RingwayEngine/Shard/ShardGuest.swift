internal import CRingway
internal import RingwayLinks
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// A guest on one shard: the stack that is its gateway, a queue of its link, and the host sockets of its flows.
///
/// ## Theory of operation
///
/// Each concern is a component with a state of its own: link, TCP, UDP and ping sockets, port listeners, relays, the
/// channel to the name service, the neighbours. A component is lent the shard's core and the stack for the time of a call.
/// This type only routes: completions by the owner that their tag names, effects by their kind, and what one component
/// returns (a frame, an accepted client) to the next.
///
/// The stack must be rid of its effects after each event, because their queue holds what one event can cause. So every
/// event is a `ShardWork`, and `run` performs the effects after each.
struct ShardGuest: ~Copyable {
    private let shared: EngineShared
    private var stack: Stack
    private var link: LinkPort
    private var tcp: TCPSockets
    private var udp: UDPSockets
    private var ping: PingSockets
    private var ports: PortListeners
    private var relays: Relays
    private var names: NameServiceChannel
    private var neighbors: NeighborPort
    private var ipv6: IPv6Discovery

    /// Nanoseconds before a send is repeated for which the kernel had no memory, or an accept without a descriptor.
    private static var retryPause: UInt64 { 2_000_000 }

    init(
        index: Int, shared: EngineShared, queue: consuming Queue, inbox: consuming NeighborInbox,
        framing: Link.Framing, pool: UnsafeMutablePointer<BufferPool>, counters: Counters, now: UInt64
    ) throws(MemoryFailure) {
        // What may fail comes before any stored property is set.
        var configuration = shared.configuration.stack
        configuration.shard = index
        let stack = try Stack(configuration, pool: pool, counters: counters, now: now)
        let link = try LinkPort(queue, framing, shared: shared, pool: pool, counters: counters)
        let tcp = try TCPSockets(shared: shared, counters: counters)
        let udp = try UDPSockets(shared: shared, counters: counters)
        let ping = try PingSockets(shared: shared, counters: counters)
        let ports = try PortListeners(shared: shared, counters: counters)
        let relays = try Relays(index: index, shared: shared, counters: counters)
        let neighbors = try NeighborPort(shared: shared, counters: counters, inbox: inbox, now: now)
        self.shared = shared
        self.stack = stack
        self.link = link
        self.tcp = tcp
        self.udp = udp
        self.ping = ping
        self.ports = ports
        self.relays = relays
        self.neighbors = neighbors
        names = NameServiceChannel(shared: shared, counters: counters)
        ipv6 = IPv6Discovery(shared: shared)
    }

    // MARK: The turn

    /// The first thing on the shard's thread.
    mutating func start(_ core: inout ShardCore) { names.open(&core) }

    /// Puts buffers where the kernel looks for them, and repeats what had found none.
    mutating func refill(_ core: inout ShardCore) {
        link.refill(&core)
        run(.frames, &core)
        core.refill(isPaused: link.isCongested)
        guard !link.isCongested else { return }
        var budget = core.receiveBuffers.available
        while budget > 0, tcp.hasStarvedReceives, !link.isCongested {
            budget -= 1
            run(.starvedReceive, &core)
        }
        udp.retryStarved(&core)
        ping.retryStarved(&core)
        ports.retryStarved(&core)
        names.retryStarved(&core)
    }

    /// When there is something to do though nothing completes, in monotonic nanoseconds; `nil` for never.
    mutating func deadline(_ core: inout ShardCore) -> UInt64? {
        var deadline = stack.nextDeadline
        if tcp.hasDeferredSends || ports.hasDeferredAccepts {
            deadline = min(deadline ?? .max, core.now + Self.retryPause)
        }
        if let due = neighbors.deadline { deadline = min(deadline ?? .max, due) }
        if let due = relays.deadline(now: core.now) { deadline = min(deadline ?? .max, due) }
        return deadline
    }

    /// The shard has waited.
    mutating func beginTurn(_ core: inout ShardCore) {
        stack.beginTurn(now: core.now)
        if tcp.hasDeferredSends { run(.deferredSends, &core) }
        ports.retryDeferred(&core)
    }

    /// Handles a completion of an operation of the guest's.
    @inline(__always)
    mutating func complete(_ completion: Completion, _ core: inout ShardCore) {
        run(.completion(completion), &core)
        switch completion.tag.owner {
        case .link: run(.frames, &core)
        case .relays: run(.returnedClients, &core)
        default: break
        }
    }

    /// The turn's completions have been handled.
    mutating func endCompletions(_ core: inout ShardCore) {
        run(.gatheredDatagrams, &core)
        run(.relays, &core)
        run(.returnedClients, &core)
        relays.countSpares()
    }

    /// Handles what another shard has posted.
    mutating func receive(_ message: ShardMessage, _ core: inout ShardCore) { run(.message(message), &core) }

    /// Runs timers, sends what the turn owes, and lets neighbours' frames come.
    mutating func endTurn(_ core: inout ShardCore) {
        run(.timers, &core)
        run(.acknowledgements, &core)
        if neighbors.wantsBuffers {
            neighbors.feed(isLinkQuiet: link.isQuiet(below: neighbors.quietBytes), &core)
        }
        link.flush(&core)
    }

    // MARK: Events

    /// Works on one thing as long as there is more of it. The only place where effects are performed.
    @inline(__always)
    private mutating func run(_ work: ShardWork, _ core: inout ShardCore) {
        var goesOn = true
        while goesOn {
            goesOn = advance(work, &core)
            while let effect = stack.effects.popFirst() { perform(effect, &core) }
        }
    }

    /// Handles one event; returns whether there is another one of its kind.
    @inline(__always)
    private mutating func advance(_ work: ShardWork, _ core: inout ShardCore) -> Bool {
        switch work {
        case .completion(let completion): route(completion, &core)
        case .message(let message): take(message, &core)
        case .command(let command): carryOut(command, &core)
        case .frames:
            guard let frame = link.nextFrame(&core) else { return false }
            receive(frame, isReassembled: false, &core)
            return true
        case .gatheredDatagrams: udp.endGathering(&stack)
        case .relays: relays.run(&core)
        case .returnedClients:
            guard let client = relays.nextReturned() else { return false }
            tcp.open(client, &core, &stack)
            return true
        case .deferredSends:
            tcp.retryDeferredSend(&core, &stack)
            return tcp.hasDeferredSends
        case .starvedReceive: tcp.retryStarvedReceive(&core, &stack)
        case .timers: return stack.runTimers()
        case .acknowledgements: return stack.finishTurn()
        case .endRelay(let slot): relays.giveBack(slot, &core)
        case .endFlow(let flow): stack.end(flow)
        }
        return false
    }

    @inline(__always)
    private mutating func route(_ completion: Completion, _ core: inout ShardCore) {
        switch completion.tag.owner {
        case .link:
            guard let frame = link.complete(completion, &core) else { return }
            receive(frame, isReassembled: false, &core)
        case .tcp: tcp.complete(completion, &core, &stack)
        case .udp: udp.complete(completion, &core, &stack)
        case .ping: ping.complete(completion, &core, &stack)
        case .ports:
            guard let client = ports.complete(completion, &core, &stack) else { return }
            place(client, &core)
        case .relays: relays.complete(completion, &core, &stack)
        case .names: names.complete(completion, &core, &stack)
        case .neighbors:
            guard let frame = neighbors.complete(completion, &core) else { return }
            link.write(frame, &core)
        case .shard, nil: break
        }
    }

    /// Carries out what the stack wants done.
    private mutating func perform(_ effect: Effect, _ core: inout ShardCore) {
        switch effect.kind {
        case .writeFrame: link.write(OutgoingFrame(effect), &core)
        case .sendStream:
            tcp.send(
                effect.handle, effect.socket, limit: effect.limit, isUrgent: effect.isUrgent, &core, &stack)
        case .receiveStream:
            tcp.receive(effect.handle, effect.socket, limit: effect.limit, isPaused: link.isCongested, &core)
        case .classifyStream:
            tcp.classify(
                effect.handle, effect.socket, ipv4: effect.address.address.isIPv4, effect.trafficClass)
        case .inspectStream: tcp.inspect(effect.handle, effect.socket, solicits: effect.solicits, &stack)
        case .watchStream: tcp.watch(effect.handle, effect.socket, reportsEnd: effect.reportsEnd, &core)
        case .connectStream:
            tcp.connect(effect.handle, to: effect.address, ConnectManner(effect), &core, &stack)
        case .connectService: tcp.connectService(effect.handle, &stack)
        case .shutdownStream: tcp.shutDown(effect.handle, effect.socket)
        case .closeStream: tcp.close(effect.handle, effect.socket, reset: false, &core)
        case .resetStream: tcp.close(effect.handle, effect.socket, reset: true, &core)
        case .sendDatagram: udp.send(OutgoingDatagram(effect), &core, &stack)
        case .closeDatagram: udp.close(effect.handle, &core)
        case .sendForwardedDatagram: ports.send(OutgoingDatagram(effect), &core, &stack)
        case .refuseDatagram: ports.refuse(effect.handle, &stack)
        case .sendEcho: ping.send(OutgoingDatagram(effect), &core, &stack)
        case .closeEcho: ping.close(effect.handle, &core)
        case .query:
            names.send(
                effect.handle, effect.lease, offset: Int(effect.offset), length: Int(effect.length), &core, &stack)
        case .replaceAddress: replaceAddress(&core)
        case .reenterFrame:
            receive(LinkPort.Frame(lease: effect.lease, length: Int(effect.length)), isReassembled: true, &core)
        case .guestShown: shared.guestShown(effect.address.address, now: core.now)
        case .guestSilent: guestSilent(effect.address, socket: effect.socket, &core)
        }
    }

    // MARK: Frames

    /// Parses a frame of the guest and gives it to the shard that owns its flow. Takes the lease.
    ///
    /// - Parameter isReassembled: the frame was put together from fragments, so it may be cut again.
    private mutating func receive(_ frame: LinkPort.Frame, isReassembled: Bool, _ core: inout ShardCore) {
        let lease = frame.lease
        let bytes = UnsafeRawBufferPointer(start: core.space.address(of: lease), count: frame.length)
        core.bytesThisTurn &+= frame.length
        link.note(frame, bytes)
        var summary = FrameSummary()
        let reason = FrameSummary.parse(bytes, into: &summary)
        guard reason == .none else {
            core.counters.addRefused(reason: reason.rawValue)
            return core.release(lease)
        }
        ipv6.look(at: summary, bytes)
        if isReassembled { summary.dontFragment = false }
        if neighbors.isOn, !neighbors.passes(summary, frame, isReassembled: isReassembled, &core) { return }
        let owner = summary.owner(in: bytes, shards: core.shards, secret: shared.configuration.stack.secret)
        if owner == core.index { return stack.receiveFrame(summary, lease, length: frame.length) }
        let isPosted = core.post(ShardMessage(frame: lease, length: frame.length, summary), to: owner)
        core.counters.add(isPosted ? .framesHandedOver : .handOverRefused)
        if !isPosted { core.release(lease) }
    }

    private mutating func take(_ message: ShardMessage, _ core: inout ShardCore) {
        switch message.kind {
        case .frame: stack.receiveFrame(message.summary, message.lease, length: Int(message.length))
        case .leases: core.pool.pointee.acceptHome(message.lease)
        case .accepted: open(message.client, &core)
        }
    }

    // MARK: Clients of published ports

    /// Chooses the guest's address that a client is connected to, and gives the client to the shard that owns the flow.
    private mutating func place(_ accepted: PortClient, _ core: inout ShardCore) {
        let target = shared.addresses.target(ipv4: accepted.address.address.isIPv4, now: core.now)
        var client = accepted
        client.guest = TransportAddress(address: target, port: accepted.guest.port)
        let key = FlowKey(
            client: stack.shownToGuest(client.address.address, by: target), client.address.port, of: client.guest)
        let owner = key.owner(shards: core.shards, secret: shared.configuration.stack.secret)
        if owner == core.index { return open(client, &core) }
        if !core.post(ShardMessage(accepted: client), to: owner) {
            core.counters.add(.handOverRefused)
            shared.turnAway(client)
        }
    }

    /// Connects a client whose flow belongs to this shard: around the link where it can, else by it.
    private mutating func open(_ client: PortClient, _ core: inout ShardCore) {
        guard relays.open(client, isCaptured: link.isCaptured, &core, &stack) else {
            return tcp.open(client, &core, &stack)
        }
        while let returned = relays.nextReturned() { tcp.open(returned, &core, &stack) }
    }

    /// An address of the guest's does not answer. A client that was connected to it on trial is connected elsewhere.
    private mutating func guestSilent(_ guest: TransportAddress, socket: UInt32, _ core: inout ShardCore) {
        shared.guestSilent(guest.address, now: core.now)
        if let client = tcp.reclaim(socket, of: guest, &core) { place(client, &core) }
    }

    // MARK: Addresses

    /// The guest has declined its IPv4 address: all shards learn of the one that it is to have instead.
    private mutating func replaceAddress(_ core: inout ShardCore) {
        guard let address = neighbors.replaceAddress(stack.guestAddress) else { return }
        setGuestIPv4(address, &core)
        shared.tellOthers(.setGuestIPv4(address), but: core.index)
    }

    private mutating func setGuestIPv4(_ address: IPv4Address, _ core: inout ShardCore) {
        stack.setGuestIPv4(address)
        neighbors.setGuestIPv4(address, now: core.now)
    }

    // MARK: Commands

    /// Does what the control plane asks, a part at a time: many ports at once must not keep frames waiting. Returns whether
    /// the shard is to stop.
    mutating func runCommands(_ core: inout ShardCore) -> Bool {
        let queue = shared.commands[core.index]
        var budget = ShardCommand.sockets
        var stops = false
        while budget > 0, let command = queue.take() {
            budget -= command.cost
            run(.command(command), &core)
            if case .giveBack = command { giveBack(&core) }
            if case .stop = command { stops = true }
        }
        if !queue.isEmpty { shared.network.doorbell(of: core.index).wake() }
        return stops
    }

    private mutating func carryOut(_ command: ShardCommand, _ core: inout ShardCore) {
        switch command {
        case .listen(let sockets): for socket in sockets { ports.add(socket, &core, &stack) }
        case .unlisten(let forwards, let first, let ended):
            if let next = ports.end(of: forwards, from: first, &core, &stack) {
                shared.commands[core.index].putBack(.unlisten(forwards, from: next, ended))
            } else {
                ports.awaitEnds(ended)
            }
        case .addNeighbor(let mac, let inbox): neighbors.addNeighbor(mac, inbox: inbox, &core)
        case .removeNeighbor(let mac): neighbors.removeNeighbor(mac, &core)
        case .setSearchDomains(let domains): stack.setSearchDomains(domains)
        case .setGuestIPv4(let address): setGuestIPv4(address, &core)
        case .revokeAddress(let address, let reply):
            neighbors.revokeAddress(address, now: core.now)
            reply.send()
        case .setPolicy(let policy): stack.policy = policy
        case .join(let client, let channel, let ends, _):
            relays.join(client: client, channel: channel, ends, &core)
        case .setCapture(let capture): link.setCapture(capture)
        case .list(let page): page.fill(&stack, &relays)
        case .giveBack, .stop: break
        }
    }

    // MARK: Descriptors

    /// Ends idle flows of the guest for others that are below their share, some at a time.
    private mutating func giveBack(_ core: inout ShardCore) {
        let descriptors = shared.descriptors
        var budget = ShardCommand.sockets
        while budget > 0, descriptors.takeDebt() {
            budget -= 1
            if relays.closeSpares() { continue }
            guard let work = self.idlest() else { return descriptors.leaveDebt() }
            run(work, &core)
        }
        if descriptors.isInDebt { shared.commands[core.index].append(.giveBack) }
    }

    private mutating func idlest() -> ShardWork? {
        let flow = stack.idlestFlow()
        if let relay = relays.idlest(), relay.usedAt < flow?.usedAt ?? .max { return .endRelay(relay.slot) }
        return flow.map { .endFlow($0) }
    }

    /// What the guest has on this shard, for simulations.
    mutating func holdings() -> ShardHoldings {
        ShardHoldings(&stack, link.buffers, [tcp.count, udp.count, ping.count, relays.count, ports.count])
    }

    // MARK: The end

    mutating func cancelRelays(_ core: inout ShardCore) { relays.cancelAll(&core) }
    /// Cancels the operations on published ports; returns how many there were.
    mutating func cancelListeners(_ core: inout ShardCore) -> Int { ports.cancelAll(&core) }

    /// Closes everything: host sockets with RST, as the guest that is gone would have it.
    mutating func closeDescriptors(_ core: inout ShardCore) {
        tcp.closeDescriptors()
        udp.closeDescriptors()
        ping.closeDescriptors()
        ports.closeDescriptors()
        relays.closeDescriptors(&core)
        neighbors.closeDescriptors()
        names.closeDescriptors()
        link.closeDescriptors()
    }
}
