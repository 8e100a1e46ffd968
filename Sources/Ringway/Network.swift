internal import CRingway
public import RingwayModel

extension VirtualNetwork {
    /// The configuration of a network. Every property has a default that works.
    public struct Configuration: Sendable {
        /// The guests' IPv4 network. Its first host address is the gateway's. Its last one, below the broadcast
        /// address, stands for the host.
        public var ipv4Network = Self.defaultIPv4Network
        /// The guests' IPv6 prefix, a /64; `nil` for a random unique local one.
        public var ipv6Prefix: IPv6Address?
        /// The MTU: the most bytes of an IP packet on the link.
        public var mtu = 1_500
        /// Threads of the data path, shared by all guests of the process; zero for `defaultShardCount`. Networks share
        /// these threads only if they have the same number of threads and buffers, and the same reactor and polling
        /// time.
        public var shards = 0
        /// DNS servers; empty to follow `resolvConfPath`.
        public var nameServers: [TransportAddress] = []
        public var resolvConfPath = "/etc/resolv.conf"
        /// Whether the network's host address is mapped to the host's own loopback. The host's other addresses do not
        /// depend on this.
        public var hostLoopback = true
        /// Whether guests reach any address of the host. If false, `hostLoopback` has no effect; the gateway's own
        /// services and published ports still work.
        public var host = true
        /// From which senders a guest's UDP mapping passes datagrams on to the guest. Published ports accept every
        /// client.
        public var udpFiltering = UDPFiltering.address
        /// Whether a guest's connections from ports below 1024 use the same host ports, if they are free and this
        /// process may bind them. Servers such as NFS with `secure` take such a port as a sign of root.
        public var keepsPrivilegedPorts = false
        /// The host addresses on which ports may be opened.
        public var publishOn = BindPolicy.everywhere
        /// Destinations that guests may reach (`allow`) and may not reach (`deny`); the longest matching prefix
        /// decides.
        public var allow: [CIDRBlock] = []
        public var deny: [CIDRBlock] = []
        /// Whether guests may only use their own addresses; required for several guests. If false, the network has
        /// one guest, which may have further addresses behind its interface.
        public var checksSources = true
        /// Whether guests are isolated from each other.
        public var isolate = false
        /// Static leases of guests.
        public var leases: [StaticLease] = []
        /// Leases of an earlier run, in the order in which their guests were last attached or detached. `leases`
        /// takes precedence, and leases that do not fit the network are ignored.
        public var rememberedLeases: [StaticLease] = []
        /// Additional names that guests can resolve.
        public var names: [NetworkName] = []
        /// The token required from agents; empty for none.
        public var agentToken: [UInt8] = []
        /// Whether a published port or forward that selects its guest by name may lead to a guest that has the name
        /// only because its agent claims it.
        public var trustsAgentNames = false
        /// The host ports that agents may publish for their guests.
        public var agentPublishing = AgentPublishing.none
        /// Unix sockets of the host that programs in guests may use through agents: their paths, by name.
        public var agentSockets: [String: String] = [:]
        /// Whether the network opens, on the host's loopback, each TCP port of at least 1024 on which a program in an
        /// agent's guest listens. Connections to such a port are forwarded to the program.
        public var followsListeningPorts = false
        /// A capture from the start; `nil` for none. `VirtualNetwork.startCapture` starts one later.
        public var capture: CaptureOptions?
        public var limits = Limits()
        /// The reactor; `nil` for io_uring if the kernel supports and permits it, otherwise epoll.
        public var reactor: Reactor?
        /// Whether to use the kernel's multishot read if it has one (Linux 6.7).
        public var usesMultishotRead = true
        /// Microseconds for which a shard may poll before it sleeps, if recent waits were so short that polling would
        /// have found work. Polling halves the latency of a response, and costs processor time only while a response
        /// is awaited. Zero disables polling; `nil` for `defaultBusyPoll`, or for zero if there are more shards than
        /// `defaultShardCount`.
        public var busyPoll: Int?

        public init() {}

        /// `192.168.127.0/24`.
        public static var defaultIPv4Network: CIDRBlock {
            guard let block = CIDRBlock("192.168.127.0/24") else { preconditionFailure("a constant is a block") }
            return block
        }

        /// The default number of shards: one per two processors, because the guest's and the host's kernel need as much
        /// processor time per byte as the shard.
        public static var defaultShardCount: Int { max(1, min(64, processorCount / 2)) }
        /// The default of `busyPoll`, in microseconds.
        public static var defaultBusyPoll: Int { 30 }

        /// The number of processors available to this process, which in a container may be less than the machine's.
        static var processorCount: Int { max(1, Int(ringway_processor_count())) }

        /// The number of shards: `shards`, at most 64, or `defaultShardCount` if `shards` is zero.
        public var shardCount: Int { shards == 0 ? Self.defaultShardCount : min(64, shards) }

        /// `limits.queuesPerGuest`, or the number of shards if that is zero.
        var queuesPerGuest: Int { limits.queuesPerGuest == 0 ? shardCount : limits.queuesPerGuest }

        /// `busyPoll` in nanoseconds, at most one second; if it is `nil`, the default for this number of threads.
        func busyPollNanoseconds(threads: Int) -> UInt64 {
            let microseconds = busyPoll ?? (threads <= Self.defaultShardCount ? Self.defaultBusyPoll : 0)
            return UInt64(max(0, min(1_000_000, microseconds))) * 1_000
        }
    }
}
