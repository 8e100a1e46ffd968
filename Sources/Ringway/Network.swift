internal import CRingway
public import RingwayCapture
public import RingwayStack
public import RingwayWire

extension VirtualNetwork {
    /// The configuration of a network. Every property has a default that works.
    public struct Configuration: Sendable {
        /// The guests' IPv4 network: `.1` is the gateway, the last address but one the host.
        public var ipv4Network = Self.defaultIPv4Network
        /// The guests' IPv6 prefix, a /64; `nil` for a random unique local one.
        public var ipv6Prefix: IPv6Address?
        /// Bytes of an IP packet on the link.
        public var mtu = 1_500
        /// Threads of the data path, for all guests of the process together; zero for `defaultShardCount`. Networks that want
        /// as many, and the same buffers and reactor, have the same ones.
        public var shards = 0
        /// Where DNS queries go; empty to follow `resolvConfPath`.
        public var nameServers: [TransportAddress] = []
        public var resolvConfPath = "/etc/resolv.conf"
        /// Whether the network's host address reaches the host's own loopback. Its other addresses are reached without it.
        public var hostLoopback = true
        /// Whether guests reach the addresses of the host at all. Without it `hostLoopback` is void, and the gateway's own
        /// services and published ports are what is left.
        public var host = true
        /// The senders whose datagrams reach the guests' UDP mappings. Published ports are open to every client.
        public var udpFiltering = UDPFiltering.address
        /// Whether connections from ports below 1024 of a guest come from the same ports of the host, where those are free and
        /// this process may bind them. Servers such as NFS with `secure` take that for a sign of root.
        public var keepsPrivilegedPorts = false
        /// Where ports of the host may be had.
        public var publishOn = BindPolicy.everywhere
        /// Destinations that guests may or may not reach; the longest prefix decides.
        public var allow: [CIDRBlock] = []
        public var deny: [CIDRBlock] = []
        /// Whether guests are held to their own addresses, and may have neighbours. Without it the network has one guest,
        /// which may have further addresses of its own behind its interface.
        public var checksSources = true
        /// Whether guests are kept from each other.
        public var isolate = false
        /// Static leases of guests.
        public var leases: [StaticLease] = []
        /// Leases of an earlier run, that of the guest which has been away for longest first. A lease in `leases` goes
        /// before them, and those that do not fit into the network are left out.
        public var rememberedLeases: [StaticLease] = []
        /// Further names that guests can resolve.
        public var names: [NetworkName] = []
        /// The token that agents have to present; empty for none.
        public var agentToken: [UInt8] = []
        /// Whether a published port or a forward for a guest's name may lead to a guest that has given itself the name, by
        /// its agent.
        public var trustsAgentNames = false
        /// Which ports of the host agents may have for their guests.
        public var agentPublishing = AgentPublishing.none
        /// Sockets of the host's that agents may lead programs of their guests to, by name.
        public var agentSockets: [String: String] = [:]
        /// Whether TCP ports that come to be listened on inside a guest are had at the same port of the host's loopback, by
        /// its agent.
        public var followsListeningPorts = false
        /// The capture from the start; `nil` for none. `VirtualNetwork.startCapture` begins later.
        public var capture: CaptureOptions?
        public var limits = Limits()
        /// The reactor; `nil` for io_uring where the kernel has it and allows it, and epoll where not.
        public var reactor: Reactor?
        /// Whether frames are read by the kernel's multishot read where it has one (Linux 6.7).
        public var usesMultishotRead = true
        /// Microseconds for which a shard may look for work before it sleeps, where that has paid off lately: it halves
        /// the time of a request and its answer and costs processor time only between the two. Zero always sleeps;
        /// `nil` for `defaultBusyPoll`, or zero when more shards than half of the processors would look.
        public var busyPoll: Int?

        public init() {}

        /// `192.168.127.0/24`.
        public static var defaultIPv4Network: CIDRBlock {
            guard let block = CIDRBlock("192.168.127.0/24") else { preconditionFailure("a constant is a block") }
            return block
        }

        /// The number of shards that zero stands for: one for two processors, because for each byte that a shard moves
        /// the guest's kernel and the host's have as much to do.
        public static var defaultShardCount: Int { max(1, min(64, processorCount / 2)) }
        /// Microseconds.
        public static var defaultBusyPoll: Int { 30 }

        /// The processors this process may run on, which in a container are fewer than the machine has.
        static var processorCount: Int { max(1, Int(ringway_processor_count())) }

        /// `shards`, with zero resolved.
        public var shardCount: Int { shards == 0 ? Self.defaultShardCount : min(64, shards) }

        /// `limits.queuesPerGuest`, with zero resolved.
        var queuesPerGuest: Int { limits.queuesPerGuest == 0 ? shardCount : limits.queuesPerGuest }

        /// `busyPoll` in nanoseconds, with `nil` resolved for this number of threads.
        func busyPollNanoseconds(threads: Int) -> UInt64 {
            let microseconds = busyPoll ?? (threads <= Self.defaultShardCount ? Self.defaultBusyPoll : 0)
            return UInt64(max(0, min(1_000_000, microseconds))) * 1_000
        }
    }
}
