public import RingwayModel
public import RingwayStorage
public import RingwayWire

/// The network stack of a guest on one shard, a thread with its own event loop: a gateway with TCP, UDP, ICMP, ARP, NDP
/// and DHCP. It does no I/O: frames, socket events and the time go in, effects come out.
///
/// ## Theory of operation
///
/// The stack dispatches to its parts (TCP, UDP and so on): each frame to the part for its protocol, each socket event
/// to the part whose flow the socket serves, and each timer to the part that set it. Their shared state is `core`,
/// which every call passes `inout`. In every turn of the event loop the shard calls `beginTurn`, then `receiveFrame`
/// and the methods for socket events as they occur, then `runTimers` and `finishTurn`, each until it returns false.
/// After each call it drains `effects`. A method that "takes the lease" takes ownership of the buffer.
public struct Stack: ~Copyable {
    public typealias Configuration = StackConfiguration

    /// Bytes left free before the payload in a buffer that is filled from a host socket: room for all headers.
    public static var headroom: Int { 128 }

    private var core: StackCore
    private var tcp: TCP
    private var udp: UDP
    private var queries: NameQueries
    private var ping: Ping
    private var services: Services
    private var fragments: Fragments
    private var sender: DatagramSender

    /// Allocates the stack's tables. `pool`, the shard's buffers, must outlive the stack.
    public init(
        _ configuration: Configuration, pool: UnsafeMutablePointer<BufferPool>, counters: Counters, now: UInt64
    ) throws(MemoryFailure) {
        let limits = configuration.limits
        let capacities = StackCapacities(limits, shards: configuration.shards)
        // Allocations that may fail come before any stored property is set, so that a failure leaves nothing to undo.
        let core = try StackCore(configuration, pool: pool, counters: counters, capacities: capacities, now: now)
        let tcp = try TCP(configuration, capacity: capacities.connections, now: now)
        let udp = try UDP(limits, capacity: capacities.mappings, now: now)
        let queries = try NameQueries(limits, capacity: capacities.queries)
        let ping = try Ping(configuration, capacities: capacities)
        let fragments = try Fragments(limits)
        self.counters = counters
        effects = core.effects
        self.core = core
        self.tcp = tcp
        self.udp = udp
        self.queries = queries
        self.ping = ping
        self.fragments = fragments
        services = Services(configuration, now: now)
        sender = DatagramSender(configuration)
        if self.core.isServiceShard { scheduleServices() }
    }

    public let counters: Counters
    /// Effects that the shard has not yet processed.
    public let effects: EffectQueue

    public var configuration: Configuration { core.configuration }
    /// Which destinations the guest may reach. A change applies to new connections, later datagrams and pings.
    public var policy: DestinationPolicy {
        get { core.policy }
        set { core.policy = newValue }
    }

    // MARK: Turns

    /// Sets the clock of this turn, monotonic nanoseconds.
    public mutating func beginTurn(now: UInt64) { core.now = now }

    /// The earliest time at which `runTimers` has work, monotonic nanoseconds; `nil` if no timer is set.
    public var nextDeadline: UInt64? { mutating get { core.timers.nextDeadline } }

    /// Runs one expired timer; false if there is none. Drain the effects after each call.
    public mutating func runTimers() -> Bool { core.timers.isQuiet(now: core.now) ? false : runTimer() }

    @inline(never)
    private mutating func runTimer() -> Bool {
        guard let owner = core.timers.popExpired(now: core.now) else { return false }
        switch owner {
        case .connection(let slot): tcp.runTimer(slot: slot, &core)
        case .mapping(let slot): udp.runTimer(slot: slot, &core)
        case .ping(let slot): ping.runTimer(slot: slot, &core)
        case .query(let slot): queries.runTimer(slot: slot, &core)
        case .services:
            fragments.expire(&core)
            services.advertise(&core)
            scheduleServices()
        }
        return true
    }

    /// Sets the timer that the services and the reassembler share to the earlier of their deadlines.
    private mutating func scheduleServices() {
        core.timers.schedule(.services, at: min(services.nextDeadline, fragments.nextDeadline))
    }

    /// Sends acknowledgements that are due. Drain the effects after each call; true if another call must follow.
    public mutating func finishTurn() -> Bool { tcp.finishTurn(&core) }

    // MARK: Frames from the guest

    /// Processes a frame that was parsed without error. The buffer starts with its virtio-net header. Takes the lease.
    public mutating func receiveFrame(_ summary: FrameSummary, _ lease: Lease, length: Int) {
        let frame = UnsafeRawPointer(core.space.address(of: lease)) + VirtioNetHeader.length
        let bytes = UnsafeRawBufferPointer(start: frame, count: length &- VirtioNetHeader.length)
        guard summary.kind == .tcp else { return receiveOther(summary, lease, bytes) }
        guard core.accepts(summary) else { return core.release(lease) }
        tcp.receive(summary, lease, frame, &core)
    }

    /// Handles a frame of any protocol other than TCP. Takes the lease.
    @inline(never)
    private mutating func receiveOther(_ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer) {
        switch summary.kind {
        case .udp where summary.destinationPort != Services.dhcpServerPort || summary.isIPv6:
            guard core.accepts(summary) else { return core.release(lease) }
            return udp.receive(summary, lease, bytes, &queries, &core)
        case .icmp,
            .icmpv6 where summary.isEchoOrError(in: bytes):
            guard core.accepts(summary) else { return core.release(lease) }
            return receiveICMP(summary, lease, bytes)
        case .tcp, .udp: services.receiveDHCP(summary, bytes, &core)
        case .icmpv6:
            if services.receiveNeighborDiscovery(summary, bytes, &core) { scheduleServices() }
        case .arp: services.receiveARP(bytes, &core)
        case .fragment:
            if core.accepts(summary) {
                fragments.receive(summary, bytes, &core)
                scheduleServices()
            }
        case .otherProtocol: core.refuseProtocol(summary, bytes)
        }
        core.release(lease)
    }

    /// Handles an echo request, or an error about a packet of a flow. Takes the lease.
    private mutating func receiveICMP(_ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer) {
        if let message = summary.echoRequest(in: bytes) {
            return ping.receive(summary, lease, bytes, message: message, &sender, &core)
        }
        if let error = GuestError(summary, bytes) {
            core.counters.add(.icmpErrorsFromGuest)
            switch error.quoted.protocolNumber {
            case IPProtocol.udp: udp.returned(error, &sender, &core)
            case IPProtocol.tcp: tcp.returned(error, &core)
            default: break
            }
        } else {
            core.counters.add(.droppedUnsupported)
        }
        core.release(lease)
    }

    // MARK: TCP: connections and their host sockets

    /// Opens a connection for a client of a published port: sends SYN to the guest.
    ///
    /// - Parameter trust: how likely it is that the guest has the address. If that is not certain and the guest does
    ///   not answer, the effect `guestSilent` returns the client's socket.
    /// - Returns: the connection, or `nil` if it cannot be opened; the caller then resets the socket.
    public mutating func openFromHost(
        client: TransportAddress, guest: TransportAddress, trust: GuestTrust = .certain, trafficClass: UInt8 = 0
    ) -> Handle? {
        tcp.openFromHost(client: client, guest: guest, trust: trust, trafficClass: trafficClass, &core)
    }

    /// A client has sent FIN and no data before the guest answered: no further SYN is sent for it.
    public mutating func clientEnded(_ handle: Handle) { tcp.clientEnded(handle) }

    /// The shard has opened a socket for the connection. `socket` identifies it in later effects.
    public mutating func streamOpened(_ handle: Handle, socket: UInt32) { tcp.streamOpened(handle, socket: socket) }

    /// The host socket is connected: sends SYN-ACK.
    public mutating func streamConnected(_ handle: Handle) { tcp.streamConnected(handle, &core) }

    /// The connect failed: `failure` decides between RST, an ICMP error and no reply. The shard has closed the socket.
    public mutating func streamConnectFailed(_ handle: Handle, _ failure: ConnectFailure) {
        tcp.streamConnectFailed(handle, failure, &core)
    }

    /// The connect failed, and a router or the host has reported the reason by ICMP: the guest gets that ICMP error.
    public mutating func streamConnectReported(_ handle: Handle, _ reason: ICMPError.Reason, from router: IPAddress?) {
        tcp.streamConnectReported(handle, reason, from: router, &core)
    }

    /// The first buffer of a connection's unsent payload; `Lease.none` if there is none or the handle is stale.
    public mutating func unsentPayload(_ handle: Handle) -> Lease { tcp.unsentPayload(handle) }

    /// The socket accepted `bytes` bytes of the unsent payload. Zero makes the stack request the send again.
    public mutating func streamSent(_ handle: Handle, bytes: Int) { tcp.streamSent(handle, bytes: bytes, &core) }

    /// A receive put `length` bytes at `offset`. `precedesUrgent`: the stream's next byte is urgent. Takes the lease.
    public mutating func streamReceived(
        _ handle: Handle, _ lease: Lease, offset: Int, length: Int, precedesUrgent: Bool = false
    ) {
        tcp.streamReceived(handle, lease, offset: offset, length: length, precedesUrgent: precedesUrgent, &core)
    }

    /// A receive returned nothing, for example for lack of a buffer: the stack requests it again.
    public mutating func streamReceiveStarved(_ handle: Handle) { tcp.streamReceiveStarved(handle, &core) }

    /// The socket returned end of file: the guest gets FIN.
    public mutating func streamEnded(_ handle: Handle) { tcp.streamEnded(handle, &core) }

    /// The host socket failed: the guest gets RST.
    public mutating func streamFailed(_ handle: Handle) { tcp.streamFailed(handle, &core) }

    /// The shard's reply to the effect `inspectStream`: what the host's kernel knows about the peer of the socket.
    public mutating func streamReported(_ handle: Handle, _ report: PeerReport) {
        tcp.streamReported(handle, report, &core)
    }

    // MARK: UDP: mappings and published ports

    /// Whether the link accepts several datagrams as one super-frame.
    public var takesTrains: Bool { mutating get { core.configuration.segmentsUDP } }

    /// Whether the socket of a mapping must be an IPv4 socket; `nil` if the handle is stale.
    public mutating func mappingIsIPv4(_ handle: Handle) -> Bool? { udp.isIPv4(handle) }

    /// The shard could not open a socket: the mapping ends.
    public mutating func datagramSocketFailed(_ handle: Handle) { udp.socketFailed(handle, &core) }

    /// Sends the guest a datagram that a mapping's socket received, or several of `segmentSize` bytes each, if the
    /// filter admits `peer`. At least `headroom` bytes precede them in the buffer. Takes the lease.
    public mutating func datagramReceived(
        _ handle: Handle, from peer: TransportAddress, _ lease: Lease, offset: Int, length: Int, segmentSize: Int,
        marks: DatagramMarks = DatagramMarks()
    ) {
        let payload = DatagramPayload(lease, offset: offset, length: length, segmentSize: segmentSize)
        udp.received(handle, from: peer, payload, marks, &sender, &core)
    }

    /// Sends the guest a datagram that a published port's client sent to host address `local`. Takes the lease.
    public mutating func forwardedDatagramReceived(
        listener: UInt32, from client: TransportAddress, to local: IPAddress, guest: TransportAddress, _ lease: Lease,
        offset: Int, length: Int, segmentSize: Int, marks: DatagramMarks = DatagramMarks()
    ) {
        let payload = DatagramPayload(lease, offset: offset, length: length, segmentSize: segmentSize)
        udp.receivedForwarded(listener, from: client, to: local, guest: guest, payload, marks, &sender, &core)
    }

    /// The guest's datagram to `target`, an address on the host's side, failed: the guest gets an ICMP error from
    /// `router`, or from the gateway if `router` is `nil`.
    public mutating func datagramFailed(
        _ handle: Handle, to target: TransportAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        payload: UnsafeRawBufferPointer
    ) {
        udp.failed(handle, to: target, reason, from: router, payload: payload, &core)
    }

    /// Listener, client and source address for datagrams of a forwarded mapping; `nil` for any other or stale handle.
    public mutating func forwardedMapping(
        _ handle: Handle
    ) -> (listener: UInt32, client: TransportAddress, local: IPAddress)? { udp.forwarded(handle) }

    /// The mapping of a published port's client, whose address on the host's side is `peer`; `nil` if there is none.
    public mutating func forwardedMapping(of peer: TransportAddress, guest: TransportAddress) -> Handle? {
        udp.forwarded(of: peer, guest: guest, &core)
    }

    /// The guest's UDP port `guest` is published: `listener` identifies the shard's socket, which is bound to `bound`.
    public mutating func datagramPortPublished(_ listener: UInt32, bound: IPAddress, guest: TransportAddress) {
        udp.portPublished(listener, bound: bound, guest: guest, &core)
    }

    /// The listener of a published UDP port is closed: its mappings end.
    public mutating func listenerClosed(_ listener: UInt32, guest: TransportAddress) {
        udp.listenerClosed(listener, guest: guest, &core)
    }

    // MARK: Names, pings and the gateway's services

    /// The DNS service's answer to a query, with at least `headroom` bytes before it. Takes the lease.
    public mutating func queryAnswered(_ handle: Handle, _ lease: Lease, offset: Int, length: Int) {
        queries.answered(handle, DatagramPayload(lease, offset: offset, length: length), &sender, &core)
    }

    /// The DNS service cannot accept the query; the guest's resolver will repeat it.
    public mutating func queryRefused(_ handle: Handle) { queries.refused(handle, &core) }

    /// The key of a ping, for opening its socket; `nil` if the handle is stale.
    public mutating func pingKey(_ handle: Handle) -> FlowKey? { ping.key(of: handle) }

    /// The shard has no socket for pings: the guest gets "administratively prohibited". Takes the lease.
    public mutating func pingRefused(_ handle: Handle, to target: IPAddress, _ lease: Lease, offset: Int, length: Int) {
        ping.refused(handle, to: target, lease, offset: offset, length: length, &core)
    }

    /// An echo reply: an ICMP message at `offset`, with at least `headroom` bytes before it. Takes the lease.
    public mutating func echoReceived(
        _ handle: Handle, from host: IPAddress, _ lease: Lease, offset: Int, length: Int, hopLimit: UInt8
    ) {
        ping.received(handle, from: host, lease, offset: offset, length: length, hopLimit: hopLimit, &sender, &core)
    }

    /// An echo request failed: the guest gets an ICMP error. `message` is the request as quoted by the host's kernel.
    public mutating func pingFailed(
        _ handle: Handle, to target: IPAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        message: UnsafeRawBufferPointer
    ) {
        ping.failed(handle, to: target, reason, from: router, message: message, &core)
    }

    /// Sends an ARP request or neighbour solicitation for a guest's address; the effect `guestShown` reports the reply.
    public mutating func solicitGuest(for address: IPAddress) { services.solicitGuest(for: address, &core) }

    /// The IPv4 address that DHCP assigns to the guest.
    public var guestAddress: IPv4Address { services.guestIPv4 }

    /// Changes the address that DHCP assigns to the guest.
    public mutating func setGuestIPv4(_ address: IPv4Address) { services.setGuestIPv4(address, &core) }

    /// Changes the search domains. DHCP has them from the next reply on; a router advertisement is sent at once.
    public mutating func setSearchDomains(_ domains: [String]) {
        services.setSearchDomains(domains, now: core.now)
        if core.isServiceShard { scheduleServices() }
    }

    /// The address under which the guest at `guest` sees a peer of the host: the peer's own. If that is a loopback
    /// address or of the other address family, it is the network's host address of the guest's family instead.
    public mutating func shownToGuest(_ peer: IPAddress, by guest: IPAddress) -> IPAddress {
        core.plan.shownToGuest(peer, by: guest)
    }

    // MARK: Share of the pool, and the end of the guest

    /// Sets the number of guests that share the shard's pool, which limits the sum of this guest's receive windows.
    public mutating func setShare(of guests: Int) { tcp.setShare(of: guests, core.configuration.limits) }

    /// Called when the guest ends: removes the connections in the next slots from `cursor` on, and releases their
    /// buffers; the shard closes their sockets. False once no slot is left. No frame may be received after that.
    public mutating func forgetConnections(from cursor: inout UInt32) -> Bool { tcp.forget(512, from: &cursor, &core) }

    // MARK: Idle flows

    /// The flow to end first if descriptors are short: the oldest unanswered one, so that a port scan ends only its own
    /// flows. If all are answered, the flow of a sample that has been idle for longest. `nil` if no flow has a socket.
    public mutating func idlestFlow() -> IdleFlow? {
        if let flow = oldestUnanswered() { return IdleFlow(flow: flow.flow, usedAt: 0) }
        return IdleFlow.older(IdleFlow.older(tcp.idlest(), udp.idlest(isAnswered: true)), ping.idlest())
    }

    private mutating func oldestUnanswered(sparing spared: UInt32 = SlotList.none) -> IdleFlow? {
        IdleFlow.older(udp.idlest(isAnswered: false, sparing: spared), tcp.oldestHalfOpen())
    }

    /// Ends an idle flow. Both ends of a connection see RST; in `connecting`, `draining` and TIME-WAIT the host only.
    public mutating func end(_ idle: IdleFlow) {
        core.counters.add(.flowsGivenBack)
        end(idle.flow)
    }

    private mutating func end(_ flow: Flow) {
        switch flow.kind {
        case .tcp: tcp.end(slot: flow.slot, &core)
        case .udp, .forwardedUDP: udp.remove(slot: flow.slot, &core)
        case .ping: ping.remove(slot: flow.slot, &core)
        case .peer: break
        }
    }

    /// Ends the oldest flow without an answer, except `mapping`, to free its descriptor; false if there is none.
    public mutating func endUnanswered(sparing mapping: Handle? = nil) -> Bool {
        guard let idle = oldestUnanswered(sparing: mapping?.slot ?? SlotList.none) else { return false }
        core.counters.add(idle.flow.kind == .tcp ? .tcpHalfOpenEvicted : .udpMappingsEvicted)
        end(idle.flow)
        return true
    }

    /// Ends the first mapping in `EvictionOrder` that has a socket and is not `mapping`; false if there is none.
    public mutating func endOldestMapping(sparing mapping: Handle) -> Bool { udp.evictOldest(sparing: mapping, &core) }

    // MARK: Inspection

    /// Writes flows from the cursor on until the writer is full or all tables are done.
    public mutating func writeFlows(from cursor: inout FlowCursor, to writer: inout FlowRecordWriter) {
        let now = core.now
        cursor.list(.connections, upTo: tcp.slotLimit, to: &writer) { tcp.record(inSlot: $0, now: now) }
        cursor.list(.mappings, upTo: udp.slotLimit, to: &writer) { udp.record(inSlot: $0, now: now) }
        cursor.list(.pings, upTo: ping.slotLimit, to: &writer) { ping.record(inSlot: $0, now: now) }
    }

    /// Bytes of the receive windows advertised to the guest, plus received bytes that host sockets have not accepted.
    public var reservedBytes: Int { tcp.reservedBytes }
    /// TCP connections in any state.
    public var connectionCount: Int { tcp.count }
    /// Connections whose handshake is not complete.
    public var halfOpenCount: Int { tcp.halfOpenCount }
    /// Entries in the flow table: TCP connections, UDP mappings and pings, and peers if a mapping or ping has several.
    public var flowCount: Int { core.table.count }
    /// Scheduled timers, including those of the services.
    public var scheduledTimerCount: Int { core.timers.count }
    /// The state of a connection; `nil` if the handle is stale.
    public func connectionState(_ handle: Handle) -> TCPState? { tcp.state(of: handle) }
    /// The tuple and state of every connection, for failure messages of tests.
    public var connectionSummaries: [String] { tcp.summaries }
}
