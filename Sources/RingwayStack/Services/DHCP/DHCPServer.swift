public import RingwayModel
public import RingwayWire

/// The network's only DHCP server (RFC 2131, options of RFC 2132, 3397).
///
/// ## Theory of operation
///
/// Every message is answered immediately from the lease table. No timer is needed, because an expired offer or lease
/// counts as free at the next request (`DHCPLeaseTable`).
///
///     DISCOVER            -> OFFER    the reservation, the current or former address, the requested one, or a free one
///     REQUEST selecting   -> ACK/NAK  ACK if the address is available; no reply if the client selects another server
///     REQUEST init-reboot -> ACK/NAK  as above
///     REQUEST renewing,   -> ACK/NAK  as above; `ciaddr` is the address
///             rebinding
///     DECLINE             -> no reply; quarantine for at most ten minutes
///     RELEASE             -> no reply; the address is free, and remembered for this client
///     INFORM              -> ACK      without address and lease time
///
/// RFC 2131 §4.3.2 forbids a reply to an unknown client that renews or reboots, because another server may know it.
/// This network has no other server, and after a restart of the process every client is unknown. The server is
/// therefore authoritative: it confirms any free address and refuses all others immediately, so no guest loses its
/// address or waits for a timeout.
///
/// Guests are on the server's own link, so a message with a relay agent's address is counted and dropped.
public struct DHCPServer: ~Copyable {
    /// The server's settings, except those that the network plan contains.
    public struct Configuration: Sendable {
        /// The lease time, seconds; at least 120.
        public var leaseSeconds: UInt32 = 86_400
        /// DNS servers, in order; if empty, clients get the gateway.
        public var nameServers: [IPv4Address] = []
        /// NTP servers, in order; if empty, the option is omitted.
        public var timeServers: [IPv4Address] = []
        /// The maximum number of leases, even if the range has more addresses.
        public var leaseLimit = 4_096

        /// Creates the default settings: leases of a day, and the gateway as DNS server.
        public init() {}
    }

    /// Counts of replies sent and messages handled, by type.
    public struct Counts: Sendable, Equatable {
        /// Addresses offered.
        public var offers: UInt64 = 0
        /// DHCPACKs that confirmed an address.
        public var acknowledgements: UInt64 = 0
        /// DHCPNAKs sent.
        public var refusals: UInt64 = 0
        /// Addresses declined.
        public var declines: UInt64 = 0
        /// Addresses released.
        public var releases: UInt64 = 0
        /// INFORM messages answered.
        public var informs: UInt64 = 0
    }

    /// The lifetime of an offer that the client has not accepted.
    static var offerNanoseconds: UInt64 { 60 * 1_000_000_000 }
    /// The quarantine time of a declined address.
    static var quarantineNanoseconds: UInt64 { 600 * 1_000_000_000 }

    /// Messages that were not dropped, by type.
    public internal(set) var counts = Counts()
    /// Messages dropped, by reason.
    public internal(set) var drops = ServiceDropCounts()

    let gatewayMAC: MACAddress
    let gatewayIPv4: IPv4Address
    let leaseSeconds: UInt32
    private(set) var options: DHCPStandingOptions
    private var plan: NetworkPlan
    private let configuration: Configuration
    var leases: DHCPLeaseTable

    /// A server for the plan's guest range, without leases. Allocates all its memory.
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

    /// Sets the search domains that clients get with their next reply.
    public mutating func setSearchDomains(_ domains: [String]) {
        plan.searchDomains = domains
        options.deallocate()
        options = DHCPStandingOptions(plan: plan, configuration: configuration)
    }

    /// Reserves `address` for the guest with this ethernet address.
    ///
    /// - Returns: `false` if the address is outside the range, another client holds it, has it reserved or has
    ///   declined it, or `mac` is not a unicast address.
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
    ///   - summary: the result of `FrameSummary.parse` for the frame.
    ///   - now: monotonic nanoseconds.
    ///   - reply: the buffer for the reply's ethernet frame; 1,500 bytes always suffice.
    /// - Returns: the length of the reply in bytes; zero if there is no reply.
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

    /// The leases as an array, for snapshots.
    public func activeLeases(now: UInt64) -> [DHCPLease] {
        var list: [DHCPLease] = []
        forEachLease(now: now) { list.append($0) }
        return list
    }

    /// The address leased to the guest with this ethernet address; `nil` if it has no lease.
    public func address(of mac: MACAddress, now: UInt64) -> IPv4Address? {
        guard let index = leases.find(DHCPClient(mac: mac), now: now), leases.state(index, now: now) == .bound
        else { return nil }
        return leases.address(of: index)
    }
}
