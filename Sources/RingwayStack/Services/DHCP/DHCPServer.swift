public import RingwayModel
public import RingwayWire

/// The network's only DHCP server (RFC 2131, options of RFC 2132, 3397).
///
/// ## Theory of operation
///
/// Every message is answered at once from the lease table; nothing waits and no timer runs, because an offer or lease
/// that has expired is simply free for the next request (`DHCPLeaseTable`).
///
///     DISCOVER            -> OFFER    the reservation, the present or former address, the one asked for, or a free one
///     REQUEST selecting   -> ACK      when it names us and the address is still the client's to have, else NAK
///     REQUEST init-reboot -> ACK/NAK  as above
///     REQUEST renewing,   -> ACK/NAK  as above; `ciaddr` is the address
///             rebinding
///     DECLINE             -> silence; the address rests for ten minutes, unless it is the only one left
///     RELEASE             -> silence; the address is free, and remembered as this client's
///     INFORM              -> ACK      without an address and without times
///
/// RFC 2131 §4.3.2 wants silence toward an unknown client that renews or reboots, since another server may know it.
/// Here is no other server, and after a restart of the bridge every client is unknown: the server is authoritative and
/// confirms any address that is free, refuses any other at once, and so no guest loses its address or waits for it.
///
/// Guests are on our own link. A message with a relay agent's address is counted and dropped.
public struct DHCPServer: ~Copyable {
    /// What is handed out besides the plan's addresses.
    public struct Configuration: Sendable {
        /// Seconds that a lease lasts; at least 120.
        public var leaseSeconds: UInt32 = 86_400
        /// Servers of names, in order; empty means the gateway.
        public var nameServers: [IPv4Address] = []
        /// Servers of time, in order; where there are none, none is named.
        public var timeServers: [IPv4Address] = []
        /// The most addresses that are handed out, whatever the size of the network.
        public var leaseLimit = 4_096

        /// A day, the gateway for names.
        public init() {}
    }

    /// Messages answered, by kind.
    public struct Counts: Sendable, Equatable {
        /// Addresses offered.
        public var offers: UInt64 = 0
        /// Addresses confirmed.
        public var acknowledgements: UInt64 = 0
        /// Addresses refused.
        public var refusals: UInt64 = 0
        /// Addresses that clients found in use.
        public var declines: UInt64 = 0
        /// Addresses given back.
        public var releases: UInt64 = 0
        /// Clients that asked for parameters alone.
        public var informs: UInt64 = 0
    }

    /// How long an offer is kept for the client that has to accept it.
    static var offerNanoseconds: UInt64 { 60 * 1_000_000_000 }
    /// How long a refused address rests, while there are others.
    static var quarantineNanoseconds: UInt64 { 600 * 1_000_000_000 }

    /// Messages answered.
    public internal(set) var counts = Counts()
    /// Messages not answered.
    public internal(set) var drops = ServiceDropCounts()

    let gatewayMAC: MACAddress
    let gatewayIPv4: IPv4Address
    let leaseSeconds: UInt32
    private(set) var options: DHCPStandingOptions
    private var plan: NetworkPlan
    private let configuration: Configuration
    var leases: DHCPLeaseTable

    /// A server for the plan's range of guests without leases; allocates everything it will ever need.
    public init(plan: NetworkPlan, configuration: Configuration = Configuration()) {
        gatewayMAC = plan.gatewayMAC
        gatewayIPv4 = plan.gatewayIPv4
        leaseSeconds = max(configuration.leaseSeconds, 120)
        options = DHCPStandingOptions(plan: plan, configuration: configuration)
        self.plan = plan
        self.configuration = configuration
        leases = DHCPLeaseTable(
            first: plan.firstGuestIPv4, last: plan.lastGuestIPv4, limit: max(configuration.leaseLimit, 1))
    }

    deinit {
        options.deallocate()
    }

    /// Has guests search other domains from their next message on.
    public mutating func setSearchDomains(_ domains: [String]) {
        plan.searchDomains = domains
        options.deallocate()
        options = DHCPStandingOptions(plan: plan, configuration: configuration)
    }

    /// Keeps `address` for the guest with this ethernet address, and from everybody else.
    ///
    /// - Returns: `false` when the address is outside the range, or someone else holds it or has it reserved.
    public mutating func reserve(
        _ address: IPv4Address, for mac: MACAddress, hostName: String = "", now: UInt64 = 0
    ) -> Bool {
        guard let index = leases.index(of: address), mac.rawValue != 0, !mac.isMulticast else { return false }
        var text = hostName
        let name = text.withUTF8 { DHCPText(hostName: UnsafeRawBufferPointer($0)) } ?? DHCPText()
        return leases.reserve(index, for: mac, hostName: name, now: now)
    }

    /// Answers a UDP datagram to port 67.
    ///
    /// - Parameters:
    ///   - frame: the ethernet frame, without virtio-net header.
    ///   - summary: what `FrameSummary.parse` found in it.
    ///   - now: monotonic nanoseconds.
    ///   - reply: where the ethernet frame of the answer goes; 1,500 bytes always suffice.
    /// - Returns: bytes of the answer, zero when there is none.
    public mutating func respond(
        to frame: UnsafeRawBufferPointer, _ summary: FrameSummary, now: UInt64,
        into reply: UnsafeMutableRawBufferPointer
    ) -> Int {
        guard let payload = summary.checkedPayload(in: frame), let request = DHCPRequest(payload) else {
            return drop(.dhcpMalformed)
        }
        guard request.relay.isUnspecified else { return drop(.dhcpRelayed) }
        switch request.type {
        case .discover: return offer(request, now: now, into: reply)
        case .request: return decide(request, now: now, into: reply)
        case .decline: return decline(request, now: now)
        case .release: return release(request, now: now)
        case .inform: return inform(request, into: reply)
        case .offer, .ack, .nak: return drop(.dhcpUnexpectedType)
        }
    }

    mutating func drop(_ reason: ServiceDrop) -> Int {
        drops.count(reason)
        return 0
    }
}

// MARK: Reports

extension DHCPServer {
    /// Calls `body` with every address that is offered, held or in quarantine at `now`, in order of address.
    public func forEachLease(now: UInt64, _ body: (DHCPLease) -> Void) {
        for index in 0..<leases.capacity {
            let state: DHCPLease.State
            switch leases.state(index, now: now) {
            case .free: continue
            case .offered: state = .offered
            case .bound: state = .bound
            case .quarantined: state = .quarantined
            }
            let entry = leases.entry(index)
            body(
                DHCPLease(
                    address: leases.address(of: index), mac: entry.mac, hostName: leases.hostName(index).string,
                    expiresAt: entry.expiry, state: state, isReserved: leases.isReserved(index)))
        }
    }

    /// The same as an array, for snapshots.
    public func activeLeases(now: UInt64) -> [DHCPLease] {
        var list: [DHCPLease] = []
        forEachLease(now: now) { list.append($0) }
        return list
    }

    /// The address held by the guest with this ethernet address.
    public func address(of mac: MACAddress, now: UInt64) -> IPv4Address? {
        guard let index = leases.find(DHCPClient(mac: mac), now: now), leases.state(index, now: now) == .bound
        else { return nil }
        return leases.address(of: index)
    }
}
