internal import RingwayLinks
public import RingwayModel
internal import RingwayStack
public import RingwayStorage
public import RingwaySystem

/// A guest on shards without threads (`SteppedShards`), for simulations. `Engine`, its counterpart for shards with
/// threads, blocks until the shards answer. The owner of a `SteppedEngine` calls `poll` between steps instead.
///
///     admitting ─► serving ─► leaving ─► gone
///         └──► withdrawing ───────────────▲
public final class SteppedEngine {
    public enum Phase { case admitting, withdrawing, serving, leaving, gone }

    private let shared: EngineShared
    private let stepped: SteppedShards
    public let counters: [Counters]
    private var parts: [UnsafeMutablePointer<ShardGuest>] = []
    public private(set) var phase = Phase.admitting
    /// The latest request to a shard. When that shard has answered, the next shard is asked.
    private var asked: GuestAdmission?
    private var answered = 0
    /// Whether to withdraw the guest as soon as all shards have added it.
    private let isWithdrawn: Bool
    private let removal = GuestRemoval()
    private var removedParts = 0
    /// Why a shard failed to add the guest.
    public private(set) var failure: SystemError?

    /// - Parameters:
    ///   - queues: the descriptors of a TAP device, one for each queue; the engine takes ownership.
    ///   - isWithdrawn: withdraw the guest before it is served, as `Engine` does if a shard cannot add its part.
    public init(
        _ configuration: EngineConfiguration, queues: [Int32], on stepped: SteppedShards, isWithdrawn: Bool = false,
        handler: @escaping @Sendable (EngineEvent) -> Void
    ) throws(SystemError) {
        var configuration = configuration
        configuration.stack.shards = queues.count
        configuration.stack.segmentsUDP = true
        guard let places = stepped.set.place(queues: queues.count) else {
            throw SystemError("the shards have as many guests as they can", errno: 0)
        }
        shared = EngineShared(
            configuration: configuration, set: stepped.set, places: places, nameService: nil, handler: handler)
        self.stepped = stepped
        self.isWithdrawn = isWithdrawn
        counters = queues.map { _ in Counters() }
        do throws(SystemError) {
            for (part, queue) in queues.enumerated() {
                let guest = try Engine.layOut(
                    part, shared, queue, .device, counters[part], now: stepped.now(Int(places[part].shard)))
                parts.append(guest)
            }
        } catch {
            // No shard knows the guest yet. `deinit` frees the parts.
            for place in places { stepped.set.free(place) }
            throw error
        }
        ask(ShardCall.admit)
    }

    deinit {
        freeParts()
        for counters in counters { counters.deallocate() }
    }

    /// Frees the memory of the parts, which no shard uses any more.
    private func freeParts() {
        for part in parts {
            part.deinitialize(count: 1)
            part.deallocate()
        }
        parts = []
    }

    public var count: Int { shared.parts }
    /// The number of descriptors of the guest's flows.
    public var descriptorsHeld: Int { shared.descriptors.held }

    /// The guest's slot on a shard; `nil` if no part of the guest runs there.
    public func slot(on shard: Int) -> UInt16? {
        (0..<count).map(shared.place(of:)).first { Int($0.shard) == shard }?.slot
    }

    /// The resources of a part of the guest.
    public func holdings(of part: Int) -> ShardHoldings { stepped.holdings(of: shared.place(of: part)) }

    public func total(_ metric: Metric) -> Int { counters.reduce(0) { $0 + $1.read(metric) } }

    // MARK: Adding and removing the guest

    private func ask(_ call: (GuestAdmission) -> ShardCall) {
        let admission = GuestAdmission(parts[answered], at: shared.place(of: answered))
        asked = admission
        shared.set.call(call(admission), Int(admission.place.shard))
    }

    /// Checks whether the shards have carried out the latest request, and goes on to the next `phase` if so.
    public func poll() {
        switch phase {
        case .admitting:
            guard hasAnswers(ShardCall.admit) else { return }
            phase = isWithdrawn ? .withdrawing : .serving
            if isWithdrawn { ask(ShardCall.withdraw) } else { tellAll(.start) }
        case .withdrawing:
            guard hasAnswers(ShardCall.withdraw) else { return }
            phase = .gone
            freeParts()
        case .leaving:
            while removal.poll() { removedParts += 1 }
            guard removedParts == count else { return }
            phase = .gone
            freeParts()
        case .serving, .gone: break
        }
    }

    /// Whether all shards have answered. After each answer, asks the next shard.
    private func hasAnswers(_ call: (GuestAdmission) -> ShardCall) -> Bool {
        guard let asked, asked.poll() else { return false }
        failure = failure ?? asked.outcome
        answered += 1
        guard answered == count else {
            ask(call)
            return false
        }
        answered = 0
        return true
    }

    /// Starts to remove the guest.
    public func stop() {
        guard phase == .serving else { return }
        phase = .leaving
        tellAll(.stop(removal))
    }

    // MARK: The control plane

    private func tellAll(_ command: ShardCommand) {
        for part in 0..<count { shared.send(command, to: part) }
    }

    /// Lends the socket of a published port to a part of the guest.
    public func listen(
        _ descriptor: Int32, on part: Int, forward: UInt32, guest: TransportAddress, isStream: Bool
    ) {
        shared.send(
            .listen([
                ListeningSocket(descriptor: descriptor, forward: forward, guest: guest, isStream: isStream)
            ]), to: part)
    }

    /// The part that handles a published UDP port of the guest.
    public func part(ofDatagramPort guest: TransportAddress) -> Int {
        let key = FlowKey(guest: guest.address, guestPort: guest.port, transport: .udp)
        return key.owner(shards: count, secret: shared.configuration.stack.secret)
    }

    /// Ends forwards. The returned closure tells whether no shard uses the forwards' sockets any more.
    public func unlisten(_ forwards: Set<UInt32>) -> () -> Bool {
        let ended = ShardReply(count: count)
        tellAll(.unlisten(forwards, from: 0, ended))
        return { ended.isComplete }
    }

    /// Relays bytes between a client and a channel to the guest's agent.
    public func join(client: consuming OwnedDescriptor, channel: consuming OwnedDescriptor, on part: Int) {
        shared.descriptors.take(2)
        let ends = ChannelEnds(client: nil, server: nil, route: 0, isOpenedByGuest: false)
        shared.send(.join(client: client.take(), channel: channel.take(), ends, shared.descriptors), to: part)
    }

    /// From now on, posts the guest's frames for the ethernet address of `other` to that guest.
    public func addNeighbor(_ other: SteppedEngine) {
        let mac = other.shared.configuration.stack.guestMAC
        for part in 0..<count {
            shared.send(.addNeighbor(mac, other.shared.place(nearest: shared.place(of: part))), to: part)
        }
    }

    public func removeNeighbor(_ other: SteppedEngine) {
        tellAll(.removeNeighbor(other.shared.configuration.stack.guestMAC))
    }
}
