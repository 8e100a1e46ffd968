internal import RingwayRelay
internal import RingwayStorage
internal import RingwaySystem

/// A relay on the agents' thread that is a flow of an agent, and whose descriptors count in the agent's share.
class HostRelay: LoopRelay {
    unowned let host: HostLoop
    let agent: UInt32
    let share: DescriptorShare
    /// When the relay last tried to move data, or was otherwise used, in monotonic nanoseconds.
    final private(set) var usedAt: UInt64

    /// - Parameter share: counts both descriptors.
    init(near: Int32, far: Int32, agent: UInt32, _ share: DescriptorShare, host: HostLoop) {
        self.host = host
        self.agent = agent
        self.share = share
        usedAt = host.loop.now
        super.init(host.relays, near: near, far: far, farHasRecords: true)
    }

    /// The relay's entry in lists of flows; `nil` if it has none.
    var flow: AgentFlow? { nil }

    override func visited() { usedAt = host.loop.now }

    /// Counts the relay as used now, although it has not moved data.
    final func use() { usedAt = host.loop.now }
}

/// A connection relayed on the agents' thread, for agents without frames, which have no shard. The near end is the
/// client, the far end is the agent's channel.
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

    /// Relays bytes from now on.
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
