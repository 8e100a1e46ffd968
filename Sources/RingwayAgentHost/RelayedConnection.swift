internal import RingwayAgentProtocol
internal import RingwayRelay
internal import RingwayStorage
internal import RingwaySystem

/// A relay on the agents' thread: part of an agent's flows, and counted by its share of descriptors.
class HostRelay: LoopRelay {
    unowned let host: HostLoop
    let agent: UInt32
    let share: DescriptorShare
    /// When something moved last, in monotonic nanoseconds.
    final private(set) var usedAt: UInt64

    /// - Parameter share: counts both descriptors.
    init(near: Int32, far: Int32, agent: UInt32, _ share: DescriptorShare, host: HostLoop) {
        self.host = host
        self.agent = agent
        self.share = share
        usedAt = host.loop.now
        super.init(host.relays, near: near, far: far, farHasRecords: true)
    }

    /// The entry in lists of flows.
    var flow: AgentFlow? { nil }

    override func visited() { usedAt = host.loop.now }

    /// It is used, though nothing has moved yet.
    final func use() { usedAt = host.loop.now }
}

/// A connection whose bytes the agents' thread moves itself: of agents that carry no frames, so that no shard is there to
/// do it. The near end is the client's, and the far one leads to the guest.
final class RelayedConnection: HostRelay {
    private let ends: AgentConnection

    init(
        client: Int32, channel: Int32, agent: UInt32, _ ends: AgentConnection, _ share: DescriptorShare, host: HostLoop
    ) {
        self.ends = ends
        super.init(near: client, far: channel, agent: agent, share, host: host)
    }

    override var flow: AgentFlow? {
        var flow = AgentFlow(agent: agent, connection: ends)
        flow.bytesToGuest = relay.toFar.bytes
        flow.bytesFromGuest = relay.toNear.bytes
        flow.hasClientEnded = relay.toFar.hasEnded
        flow.hasGuestEnded = relay.toNear.hasEnded
        return flow
    }

    /// Moves bytes from now on.
    func start() {
        host.add(self)
        guard watch(.near), watch(.far) else { return end(reset: true) }
        begin()
    }

    override func ended(reset: Bool) {
        share.release(2)
        host.remove(self)
    }
}
