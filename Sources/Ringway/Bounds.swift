internal import CRingway
internal import RingwayEngine
internal import RingwayModel
internal import RingwayStorage
internal import Synchronization

/// One limit of the process, of a network or of a guest, and its current use.
public struct Bound: Sendable, Equatable {
    /// The scope of a limit.
    public enum Scope: String, Sendable {
        /// One limit for the process, shared by its networks and guests.
        case process
        case network
        /// Each guest has a limit of its own.
        case guest
    }

    /// The name of the limited resource, for users.
    public let name: String
    public let scope: Scope
    public let inUse: Int
    /// The limit.
    public let limit: Int
    /// The command-line option or the host's setting that determines the limit, such as `--max-flows` or `ulimit -n`.
    public let option: String

    init(_ name: String, _ scope: Scope, _ inUse: Int, of limit: Int, _ option: String) {
        self.name = name
        self.scope = scope
        self.inUse = max(0, inUse)
        self.limit = limit
        self.option = option
    }
}

extension VirtualNetwork {
    /// The limits of the process and of the network, and their current use.
    public func bounds() -> [Bound] {
        let statistics = statistics()
        let limits = configuration.limits
        let budget = DescriptorBudget.ofProcess
        let open = ringway_open_descriptors()
        var rows = [
            Bound(
                "descriptors", .process, open >= 0 ? open : budget.usage.standing + budget.usage.flows,
                of: budget.limit, "ulimit -n")
        ]
        let memory = MemoryReserve.ofProcess()
        if let limit = memory.addressLimit {
            rows.append(Bound("bytes of address space", .process, memory.addressesUsed, of: limit, "ulimit -v"))
        }
        if let limit = memory.dataLimit {
            rows.append(Bound("bytes of memory of its own", .process, memory.dataUsed, of: limit, "ulimit -d"))
        }
        if let limit = memory.commitLimit {
            rows.append(
                Bound(
                    "bytes that the host has promised", .process, memory.committed, of: limit,
                    "vm.overcommit_ratio"))
        }
        rows += [
            Bound("guests", .network, statistics["guests"], of: limits.guestsPerNetwork, "--max-guests"),
            Bound(
                "DNS queries under way", .network, statistics["dns.outstanding"], of: limits.nameQueries,
                "--max-name-queries"),
        ]
        return rows
    }

    /// The limits of a guest and their current use; `nil` if the guest is not attached.
    public func bounds(of guest: Guest.ID) -> [Bound]? {
        guard let engine = state.withLock({ $0.members[guest]?.engine }) else { return nil }
        let counts = Statistics(data: engine.snapshot(), names: nil)
        let (limits, share) = (configuration.limits, engine.descriptors)
        return [
            Bound("descriptors of flows", .guest, share.held, of: share.fairShare, "ulimit -n"),
            Bound("TCP connections", .guest, counts["tcpFlows"], of: limits.flowsPerGuest, "--max-flows"),
            // `tcpHalfOpen` counts connections that the guest opens and those of clients of its published ports. The
            // limit applies to each of the two kinds separately, so it is doubled here.
            Bound(
                "half-open connections", .guest, counts["tcpHalfOpen"], of: 2 * limits.halfOpenConnects,
                "--max-half-open"),
            // Each count below is a total of the guest, but each limit applies per queue or, for buffers, per shard. So
            // the limit is multiplied by the number of queues (`engine.shards`) or of shards with a queue of the guest
            // (`engine.pools`).
            Bound(
                "UDP mappings", .guest, counts["udpMappings"], of: limits.udpMappings * engine.shards,
                "--max-udp-mappings"),
            Bound(
                "ping mappings", .guest, counts["pingMappings"], of: limits.pingMappings * engine.shards,
                "--max-ping-mappings"),
            Bound(
                "spliced connections", .guest, counts["splicedConnections"],
                of: limits.splicedConnectionsPerShard * engine.shards, "--max-spliced"),
            Bound(
                "buffers", .guest, counts["buffersLeased"],
                of: (limits.largeBuffers + limits.smallBuffers) * engine.pools, "--pool-size"),
        ]
    }
}
