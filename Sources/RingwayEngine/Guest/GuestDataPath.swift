internal import CRingway
internal import RingwayLinks
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// The data path of a guest on one shard: the stack that acts as its gateway, one queue of its link, and the host
/// sockets of its flows.
///
/// ## Theory of operation
///
/// Each concern is a component with its own state: the link, TCP, UDP and ping sockets, port listeners, relays, the
/// channel to the name service, and the neighbours. A component that needs the shard's core or the stack gets it as an
/// `inout` argument of the call. This type routes between the components. A completion goes to the component that its
/// tag names, and an effect of the stack to the component for its kind. The result of a component, such as a frame or
/// an accepted client, goes to the next component.
///
/// The stack's effect queue has room for the effects of one event only. Therefore every event is a `ShardWork`, and
/// `run` performs the effects after each.
///
/// The components are used by the guest's turn (`ShardGuest`), its commands (`ShardCommand`) and its removal
/// (`GuestEnding`). No code outside this folder accesses them.
struct GuestDataPath: ~Copyable {
    let shared: EngineShared
    /// The index of this part among the guest's parts, and of the link's queue that it serves.
    let part: Int
    /// Whether frames, clients of ports and mail are accepted: from `open` to `close`.
    private(set) var isOpen = false
    var stack: Stack
    var link: LinkPort
    var tcp: TCPSockets
    var udp: UDPSockets
    var ping: PingSockets
    var ports: PortListeners
    var relays: Relays
    var names: NameServiceChannel
    var neighbors: NeighborPort
    private var ipv6: IPv6Discovery

    /// Nanoseconds before the retry of a send that failed with a temporary error, or of an accept that failed for
    /// lack of a descriptor.
    private static var retryPause: UInt64 { 2_000_000 }

    /// Allocates the data path. Called on the control plane's thread, because allocating tables takes long.
    ///
    /// - Parameters:
    ///   - part: the index of the part, and of its queue.
    ///   - pool: the pool of the part's shard.
    init(
        part: Int, shared: EngineShared, queue: consuming Queue, framing: Link.Framing,
        pool: UnsafeMutablePointer<BufferPool>, counters: Counters, now: UInt64
    ) throws(MemoryFailure) {
        // Initialisers that may fail run first, so that an error never leaves `self` partly initialised.
        var configuration = shared.configuration.stack
        configuration.shard = part
        let stack = try Stack(configuration, pool: pool, counters: counters, now: now)
        let link = try LinkPort(queue, framing, shared: shared, pool: pool, counters: counters)
        let tcp = try TCPSockets(shared: shared, counters: counters)
        let udp = try UDPSockets(shared: shared, counters: counters)
        let ping = try PingSockets(shared: shared, counters: counters)
        let ports = try PortListeners(shared: shared, counters: counters)
        let relays = try Relays(index: part, shared: shared, counters: counters)
        let neighbors = try NeighborPort(shared: shared, counters: counters, now: now)
        self.shared = shared
        self.part = part
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

    /// The control plane's commands for this part of the guest.
    var commands: CommandQueue { shared.commands[part] }

    /// Starts serving the guest, after all shards have added their parts.
    mutating func open(_ core: inout ShardCore) {
        isOpen = true
        names.open(&core)
    }

    /// Closes everything except the sockets of TCP and UDP flows, listeners and relays. Later turns close these
    /// (`GuestEnding`).
    mutating func close(_ core: inout ShardCore) {
        isOpen = false
        link.close(&core)
        names.close(&core)
        relays.closeSupply(&core)
        ping.close(&core)
        neighbors.close(&core)
        udp.discardGathered(&core)
    }

    // MARK: Waiting

    /// Backpressure: whether host sockets are not read, because the link is congested, or because buffers are scarce
    /// and the guest has used up its share.
    @inline(__always)
    private mutating func isHeldBack(_ core: inout ShardCore) -> Bool { link.isCongested || core.isBeyondShare }

    /// Whether the next turn must retry an operation, or read frames that were left over in this turn.
    var isWaiting: Bool {
        mutating get {
            link.hasFrames || link.waitsForBuffers || tcp.hasStarvedReceives || udp.waitsForBuffers
                || ping.waitsForBuffers || ports.waitsForBuffers || names.waitsForBuffers
        }
    }

    /// The next time at which there is work even if nothing completes, in monotonic nanoseconds; `nil` for never.
    mutating func deadline(_ core: inout ShardCore) -> UInt64? {
        if link.hasFrames { return core.now }
        var deadline = stack.nextDeadline
        if tcp.hasDeferredSends || ports.hasDeferredAccepts {
            deadline = min(deadline ?? .max, core.now + Self.retryPause)
        }
        if let due = neighbors.deadline(now: core.now) { deadline = min(deadline ?? .max, due) }
        if let due = relays.deadline(now: core.now) { deadline = min(deadline ?? .max, due) }
        return deadline
    }

    /// Retries receives that found no buffer, unless the guest is held back (`isHeldBack`). At most `most` are
    /// retried on TCP, UDP and ping sockets together. Published UDP ports have a limit of `most` for themselves, so
    /// that the guest's own flows cannot starve clients. The receive of DNS answers (`names`) is retried in addition.
    mutating func retryStarved(upTo most: Int, _ core: inout ShardCore) {
        guard !isHeldBack(&core) else { return }
        let share = min(most, core.receiveBuffers.available)
        var budget = share
        while budget > 0, tcp.hasStarvedReceives, !isHeldBack(&core) {
            budget -= 1
            run(.starvedReceive, &core)
        }
        udp.retryStarved(&budget, &core)
        ping.retryStarved(&budget, &core)
        ports.retryStarved(upTo: share, &core)
        names.retryStarved(&core)
    }

    // MARK: Events

    /// Handles an event, and further ones of its kind as long as there are any. Effects are performed only here.
    @inline(__always)
    mutating func run(_ work: ShardWork, _ core: inout ShardCore) {
        var goesOn = true
        while goesOn {
            goesOn = advance(work, &core)
            while let effect = stack.effects.popFirst() { perform(effect, &core) }
        }
    }

    /// Handles one event. Returns whether there may be another one of its kind.
    @inline(__always)
    private mutating func advance(_ work: ShardWork, _ core: inout ShardCore) -> Bool {
        switch work {
        case .completion(let completion): route(completion, &core)
        case .message(let message): take(message, &core)
        case .command(let command): command.carryOut(on: &self, &core)
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
            guard isOpen else { return core.release(frame.lease) }
            receive(frame, isReassembled: false, &core)
        case .tcp: tcp.complete(completion, &core, &stack)
        case .udp: udp.complete(completion, &core, &stack)
        case .ping: ping.complete(completion, &core, &stack)
        case .ports:
            guard let client = ports.complete(completion, &core, &stack) else { return }
            guard isOpen else { return shared.turnAway(client) }
            place(client, &core)
        case .relays: relays.complete(completion, &core, &stack)
        case .names: names.complete(completion, &core, &stack)
        case .shard, nil: break
        }
    }

    /// Performs one effect of the stack.
    private mutating func perform(_ effect: Effect, _ core: inout ShardCore) {
        switch effect.kind {
        case .writeFrame: link.write(OutgoingFrame(effect), &core)
        case .sendStream:
            tcp.send(
                effect.handle, effect.socket, limit: effect.limit, isUrgent: effect.isUrgent, &core, &stack)
        case .receiveStream:
            tcp.receive(effect.handle, effect.socket, limit: effect.limit, isPaused: isHeldBack(&core), &core)
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

    /// Parses a frame from the guest, and passes it to neighbours or to the part that owns its flow. Takes ownership
    /// of the lease.
    ///
    /// - Parameter isReassembled: whether the packet was reassembled from fragments. If so, the host may fragment it
    ///   again.
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
        ipv6.inspect(summary, bytes)
        if isReassembled { summary.dontFragment = false }
        if neighbors.isOn, !neighbors.passes(summary, frame, isReassembled: isReassembled, &core) { return }
        let owner = summary.owner(in: bytes, shards: shared.parts, secret: shared.configuration.stack.secret)
        if owner == part { return stack.receiveFrame(summary, lease, length: frame.length) }
        let isPosted = core.post(
            ShardMessage(frame: lease, length: frame.length, summary, to: shared.place(of: owner)))
        core.counters.add(isPosted ? .framesHandedOver : .handOverRefused)
        if !isPosted { core.release(lease) }
    }

    private mutating func take(_ message: ShardMessage, _ core: inout ShardCore) {
        switch message.kind {
        case .frame: stack.receiveFrame(message.summary, message.lease, length: Int(message.length))
        case .neighborFrame: neighbors.take(message.lease, length: Int(message.length), &core)
        case .leases: break
        case .accepted: open(message.client, &core)
        }
    }

    /// Releases the buffer, or resets the client, in a message to this guest, which is ending.
    mutating func discard(_ message: ShardMessage, _ core: inout ShardCore) {
        if message.kind == .frame { core.counters.add(.handOverRefused) }
        core.releaseAny(message.lease)
        if message.kind == .accepted { shared.turnAway(message.client) }
    }

    /// Sends neighbours' frames to the guest. Called after all other frames of the turn, so that a flood from
    /// neighbours does not delay those.
    @inline(never)
    mutating func takeNeighborFrames(_ core: inout ShardCore) {
        var budget = neighbors.grant(isLinkQuiet: link.isQuiet(below: neighbors.quietBytes), &core)
        while budget > 0, let frame = neighbors.nextFrame(&core) {
            budget -= 1
            link.write(frame, &core)
        }
    }

    // MARK: Clients of published ports

    /// Chooses the guest's address for a client, and passes the client to the part that owns the flow.
    private mutating func place(_ accepted: PortClient, _ core: inout ShardCore) {
        let target = shared.addresses.target(ipv4: accepted.address.address.isIPv4, now: core.now)
        var client = accepted
        client.guest = TransportAddress(address: target, port: accepted.guest.port)
        let key = FlowKey(
            client: stack.shownToGuest(client.address.address, by: target), client.address.port, of: client.guest)
        let owner = key.owner(shards: shared.parts, secret: shared.configuration.stack.secret)
        if owner == part { return open(client, &core) }
        if !core.post(ShardMessage(accepted: client, to: shared.place(of: owner))) {
            core.counters.add(.handOverRefused)
            shared.turnAway(client)
        }
    }

    /// Connects a client whose flow this part owns. The connection bypasses the link if possible.
    private mutating func open(_ client: PortClient, _ core: inout ShardCore) {
        guard relays.open(client, isCaptured: link.isCaptured, &core, &stack) else {
            return tcp.open(client, &core, &stack)
        }
        while let returned = relays.nextReturned() { tcp.open(returned, &core, &stack) }
    }

    /// An address of the guest does not answer. A client that waited for it is connected to another address.
    private mutating func guestSilent(_ guest: TransportAddress, socket: UInt32, _ core: inout ShardCore) {
        shared.guestSilent(guest.address, now: core.now)
        if let client = tcp.reclaim(socket, of: guest, &core) { place(client, &core) }
    }

    // MARK: Addresses

    /// The guest has declined its IPv4 address: gets another one, if there is one, and sets it in all parts.
    private mutating func replaceAddress(_ core: inout ShardCore) {
        guard let address = neighbors.replaceAddress(stack.guestAddress) else { return }
        setGuestIPv4(address, &core)
        shared.tellOthers(.setGuestIPv4(address), but: part)
    }

    mutating func setGuestIPv4(_ address: IPv4Address, _ core: inout ShardCore) {
        stack.setGuestIPv4(address)
        neighbors.setGuestIPv4(address, now: core.now)
    }

    // MARK: Descriptors

    /// Frees descriptors that other guests need: closes unused pipes and sockets (`Relays.closeSpares`), then ends
    /// flows, those without a reply first, then long idle ones. If the turn's budget does not suffice, the part sends
    /// itself another `giveBack` command.
    mutating func giveBack(_ core: inout ShardCore) {
        let descriptors = shared.descriptors
        var budget = ShardCommand.sockets
        while budget > 0, descriptors.takeDebt() {
            budget -= 1
            if relays.closeSpares() { continue }
            guard let work = idlest() else { return descriptors.leaveDebt() }
            run(work, &core)
        }
        if descriptors.isInDebt { shared.send(.giveBack, to: part) }
    }

    private mutating func idlest() -> ShardWork? {
        let flow = stack.idlestFlow()
        if let relay = relays.idlest(), relay.usedAt < flow?.usedAt ?? .max { return .endRelay(relay.slot) }
        return flow.map { .endFlow($0) }
    }
}
