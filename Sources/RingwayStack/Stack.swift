public import RingwayStorage
public import RingwayWire

/// One shard's part of the network inside: the gateway a guest talks to, with a complete TCP, UDP, ICMP and the
/// services around them. Pure: frames, socket events and the time go in, effects come out.
///
/// ## Theory of operation
///
/// The stack is a router over its parts. It gives each frame to the part that its protocol belongs to, each event of a
/// socket to the part whose flow the socket serves, and each timer to its owner; what the parts share is `core`, which
/// every part takes `inout` with a call.
///
/// The owner calls, in every turn: `beginTurn`, then `receiveFrame` and the stream and datagram events as they come,
/// taking all `effects` after each, then `runTimers` and `finishTurn`, each until it returns false.
public struct Stack: ~Copyable {
    public typealias Configuration = StackConfiguration

    /// Bytes before the payload in a buffer that the host's sockets fill: all headers fit.
    public static var headroom: Int { 128 }

    var core: StackCore
    var tcp: TCP
    private var udp: UDP
    private var queries: NameQueries
    private var ping: Ping
    private var services: Services
    private var fragments: Fragments
    private var sender: DatagramSender

    /// - Parameter pool: the shard's buffers; outlives the stack.
    public init(
        _ configuration: Configuration, pool: UnsafeMutablePointer<BufferPool>, counters: Counters, now: UInt64
    ) throws(MemoryFailure) {
        let limits = configuration.limits
        let capacities = StackCapacities(limits, shards: configuration.shards)
        // What may fail comes before any stored property is set.
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
    /// Effects that the owner has not taken yet.
    public let effects: EffectQueue

    public var configuration: Configuration { core.configuration }
    /// Which destinations new flows may have; those that exist are left alone when it changes.
    public var policy: DestinationPolicy {
        get { core.policy }
        set { core.policy = newValue }
    }

    // MARK: Turns

    /// Sets the clock for what follows.
    public mutating func beginTurn(now: UInt64) { core.now = now }

    /// When `runTimers` has work at the earliest, monotonic nanoseconds; `nil` when nothing is scheduled.
    public var nextDeadline: UInt64? { mutating get { core.timers.nextDeadline } }

    /// Runs one timer whose time has come; false when there is none. Take the effects after each.
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

    /// Lets the wheel wake us for the earliest deadline of the services and the fragments.
    private mutating func scheduleServices() {
        core.timers.schedule(.services, at: min(services.nextDeadline, fragments.nextDeadline))
    }

    /// Sends acknowledgements that this turn's frames asked for; false when none is left. Take the effects after each call.
    public mutating func finishTurn() -> Bool { tcp.finishTurn(&core) }

    // MARK: Frames from the guest

    /// Takes a frame that was parsed without fault and starts at the buffer's first byte, and with it the lease.
    public mutating func receiveFrame(_ summary: FrameSummary, _ lease: Lease, length: Int) {
        let frame = UnsafeRawPointer(core.space.address(of: lease)) + VirtioNetHeader.length
        let bytes = UnsafeRawBufferPointer(start: frame, count: length &- VirtioNetHeader.length)
        guard summary.kind == .tcp else { return receiveOther(summary, lease, bytes) }
        guard core.accepts(summary) else { return core.release(lease) }
        tcp.receive(summary, lease, frame, &core)
    }

    /// A frame of another protocol than TCP. Takes the lease.
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
        case .otherProtocol: refuseProtocol(summary, bytes)
        }
        core.release(lease)
    }

    /// An echo request, or an error about a packet of a flow. Takes the lease.
    private mutating func receiveICMP(_ summary: FrameSummary, _ lease: Lease, _ bytes: UnsafeRawBufferPointer) {
        let message = UnsafeRawBufferPointer(
            rebasing: bytes[Int(summary.transportOffset)..<Int(summary.payloadOffset) + Int(summary.payloadLength)])
        // The two families' headers have the same shape.
        let echoRequest = summary.isIPv6 ? ICMPv6Header.echoRequest : ICMPv4Header.echoRequest
        if let header = ICMPv4Header(message), header.type == echoRequest {
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

    /// A protocol we do not carry: the guest gets an ICMP error (RFC 1122 §3.2.2.1), except about multicast.
    private mutating func refuseProtocol(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer) {
        core.counters.add(.droppedUnsupported)
        guard !summary.destination.isMulticast, core.accepts(summary) else { return }
        core.sendError(.protocolUnreachable, about: bytes, summary)
    }

    // MARK: TCP: connections and their host sockets

    /// A client of a published port: SYN to the guest from the client's address, or the network's host address.
    ///
    /// - Parameter trust: whether the guest has the address. When it does not answer, `guestSilent` hands the client back.
    /// - Returns: the connection, or `nil` when it cannot be had; the caller then resets the socket.
    public mutating func openFromHost(
        client: TransportAddress, guest: TransportAddress, trust: GuestTrust = .certain, trafficClass: UInt8 = 0
    ) -> Handle? {
        tcp.openFromHost(client: client, guest: guest, trust: trust, trafficClass: trafficClass, &core)
    }

    /// The client of a connection that the guest has not answered yet has ended its side and sent nothing before.
    public mutating func clientEnded(_ handle: Handle) { tcp.clientEnded(handle) }

    /// The owner has a socket for the connection and names it; a later close refers to it.
    public mutating func streamOpened(_ handle: Handle, socket: UInt32) { tcp.streamOpened(handle, socket: socket) }

    /// The host socket is connected: SYN-ACK.
    public mutating func streamConnected(_ handle: Handle) { tcp.streamConnected(handle, &core) }

    /// The host could not be reached: the guest sees what the host saw. The owner has closed the socket.
    public mutating func streamConnectFailed(_ handle: Handle, _ failure: ConnectFailure) {
        tcp.streamConnectFailed(handle, failure, &core)
    }

    /// The same, where a router on the way, or the host there, has reported why.
    public mutating func streamConnectReported(_ handle: Handle, _ reason: ICMPError.Reason, from router: IPAddress?) {
        tcp.streamConnectReported(handle, reason, from: router, &core)
    }

    /// The chain of a connection's unsent payload, oldest first; `Lease.none` when the handle is stale.
    public mutating func unsentPayload(_ handle: Handle) -> Lease { tcp.unsentPayload(handle) }

    /// The socket took `bytes` of the unsent payload.
    public mutating func streamSent(_ handle: Handle, bytes: Int) { tcp.streamSent(handle, bytes: bytes, &core) }

    /// The socket gave `length` bytes, `offset` into the buffer, and the next byte is urgent where so reported. Takes the lease.
    public mutating func streamReceived(
        _ handle: Handle, _ lease: Lease, offset: Int, length: Int, precedesUrgent: Bool = false
    ) {
        tcp.streamReceived(handle, lease, offset: offset, length: length, precedesUrgent: precedesUrgent, &core)
    }

    /// A receive ended without bytes, for want of a buffer: it may be asked for again.
    public mutating func streamReceiveStarved(_ handle: Handle) { tcp.streamReceiveStarved(handle, &core) }

    /// The socket reached its end of file: FIN to the guest.
    public mutating func streamEnded(_ handle: Handle) { tcp.streamEnded(handle, &core) }

    /// The socket failed, in either direction: the guest sees RST.
    public mutating func streamFailed(_ handle: Handle) { tcp.streamFailed(handle, &core) }

    /// What the host's kernel reports of the far end of a connection; the answer to `inspectStream`.
    public mutating func streamReported(_ handle: Handle, _ report: PeerReport) {
        tcp.streamReported(handle, report, &core)
    }

    // MARK: UDP: mappings and published ports

    /// Whether several datagrams in one piece go out as one frame.
    public var takesTrains: Bool { mutating get { core.configuration.segmentsUDP } }

    /// The address family of a mapping, for the owner that opens its socket; `nil` when the handle is stale.
    public mutating func mappingIsIPv4(_ handle: Handle) -> Bool? { udp.isIPv4(handle) }

    /// The owner could not open a socket for the mapping: it ends.
    public mutating func datagramSocketFailed(_ handle: Handle) { udp.socketFailed(handle, &core) }

    /// A datagram for a mapping, or several of `segmentSize` bytes each, behind at least `headroom` bytes. Takes the lease.
    public mutating func datagramReceived(
        _ handle: Handle, from peer: TransportAddress, _ lease: Lease, offset: Int, length: Int, segmentSize: Int,
        marks: DatagramMarks = DatagramMarks()
    ) {
        let payload = DatagramPayload(lease, offset: offset, length: length, segmentSize: segmentSize)
        udp.received(handle, from: peer, payload, marks, &sender, &core)
    }

    /// The same for a datagram that a client sent to the host's address `local` of the listener of a published port.
    public mutating func forwardedDatagramReceived(
        listener: UInt32, from client: TransportAddress, to local: IPAddress, guest: TransportAddress, _ lease: Lease,
        offset: Int, length: Int, segmentSize: Int, marks: DatagramMarks = DatagramMarks()
    ) {
        let payload = DatagramPayload(lease, offset: offset, length: length, segmentSize: segmentSize)
        udp.receivedForwarded(listener, from: client, to: local, guest: guest, payload, marks, &sender, &core)
    }

    /// A datagram to `target`, as the host knows that, went no further: the guest is sent an ICMP error from `router`.
    public mutating func datagramFailed(
        _ handle: Handle, to target: TransportAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        payload: UnsafeRawBufferPointer
    ) {
        udp.failed(handle, to: target, reason, from: router, payload: payload, &core)
    }

    /// Where the datagrams of a forwarded mapping go, from `local` unless unspecified; `nil` when the handle is stale.
    public mutating func forwardedMapping(
        _ handle: Handle
    ) -> (listener: UInt32, client: TransportAddress, local: IPAddress)? { udp.forwarded(handle) }

    /// The mapping of a published port's peer, as the host knows that; `nil` when there is none.
    public mutating func forwardedMapping(of peer: TransportAddress, guest: TransportAddress) -> Handle? {
        udp.forwarded(of: peer, guest: guest, &core)
    }

    /// The UDP port `guest` is published from now on through `listener`, the owner's name for a socket bound to `bound`.
    public mutating func datagramPortPublished(_ listener: UInt32, bound: IPAddress, guest: TransportAddress) {
        udp.portPublished(listener, bound: bound, guest: guest, &core)
    }

    /// The listener of a published UDP port is gone: the mappings that answer through it end.
    public mutating func listenerClosed(_ listener: UInt32, guest: TransportAddress) {
        udp.listenerClosed(listener, guest: guest, &core)
    }

    // MARK: Names, pings and the gateway's services

    /// The name service's answer to a query. Takes the lease; the answer lies behind at least `headroom` bytes.
    public mutating func queryAnswered(_ handle: Handle, _ lease: Lease, offset: Int, length: Int) {
        queries.answered(handle, DatagramPayload(lease, offset: offset, length: length), &sender, &core)
    }

    /// The name service cannot take the query: the guest's resolver will ask again.
    public mutating func queryRefused(_ handle: Handle) { queries.refused(handle, &core) }

    /// The key of a ping, for the owner that opens its socket; `nil` when the handle is stale.
    public mutating func pingKey(_ handle: Handle) -> FlowKey? { ping.key(of: handle) }

    /// The owner has no socket for pings: the guest is told that they are prohibited. Takes the lease.
    public mutating func pingRefused(_ handle: Handle, to target: IPAddress, _ lease: Lease, offset: Int, length: Int) {
        ping.refused(handle, to: target, lease, offset: offset, length: length, &core)
    }

    /// An echo reply: the whole ICMP message, `offset` into the buffer behind at least `headroom` bytes. Takes the lease.
    public mutating func echoReceived(
        _ handle: Handle, from host: IPAddress, _ lease: Lease, offset: Int, length: Int, hopLimit: UInt8
    ) {
        ping.received(handle, from: host, lease, offset: offset, length: length, hopLimit: hopLimit, &sender, &core)
    }

    /// An echo request, `message` as the host's kernel gives it back, went no further: the guest is sent an ICMP error.
    public mutating func pingFailed(
        _ handle: Handle, to target: IPAddress, _ reason: ICMPError.Reason, from router: IPAddress?,
        message: UnsafeRawBufferPointer
    ) {
        ping.failed(handle, to: target, reason, from: router, message: message, &core)
    }

    /// Asks the guest for an address of its own; `guestShown` is the answer.
    public mutating func askGuest(for address: IPAddress) { services.askGuest(for: address, &core) }

    /// The address that DHCP gives to the guest.
    public var guestAddress: IPv4Address { services.guestIPv4 }

    /// The guest has another address from now on.
    public mutating func setGuestIPv4(_ address: IPv4Address) { services.setGuestIPv4(address, &core) }

    /// Has the guest search other domains: by DHCP from its next message on, and by a router advertisement at once.
    public mutating func setSearchDomains(_ domains: [String]) {
        services.setSearchDomains(domains, now: core.now)
        if core.isServiceShard { scheduleServices() }
    }

    /// The address under which the guest at `guest` sees a peer of the host: its own, or the network's host address.
    public mutating func shownToGuest(_ peer: IPAddress, by guest: IPAddress) -> IPAddress {
        core.plan.shownToGuest(peer, by: guest)
    }

    // MARK: Idle flows

    /// The flow that ends first when descriptors are wanted: of those without an answer the oldest, so that a scan costs no
    /// other flow its socket, and then the one idle for longest. `nil` when none has a socket.
    public mutating func idlestFlow() -> IdleFlow? {
        if let flow = oldestUnanswered() { return IdleFlow(flow: flow.flow, usedAt: 0) }
        return IdleFlow.older(IdleFlow.older(tcp.idlest(), udp.idlest(isAnswered: true)), ping.idlest())
    }

    private mutating func oldestUnanswered(sparing spared: UInt32 = SlotList.none) -> IdleFlow? {
        IdleFlow.older(udp.idlest(isAnswered: false, sparing: spared), tcp.oldestHalfOpen())
    }

    /// Ends the flow that `idlestFlow` has found: both ends of a connection see RST.
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

    /// Ends a flow without an answer, so that a new one can have its descriptor. False when there is none but `mapping`.
    public mutating func endUnanswered(sparing mapping: Handle? = nil) -> Bool {
        guard let idle = oldestUnanswered(sparing: mapping?.slot ?? SlotList.none) else { return false }
        core.counters.add(idle.flow.kind == .tcp ? .tcpHalfOpenEvicted : .udpMappingsEvicted)
        end(idle.flow)
        return true
    }

    /// Ends the UDP mapping idle for longest, so that a new one can have its descriptor. False when there is none other.
    public mutating func endOldestMapping(sparing mapping: Handle) -> Bool {
        let idle =
            udp.idlest(isAnswered: false, sparing: mapping.slot) ?? udp.idlest(isAnswered: true, sparing: mapping.slot)
        guard let idle else { return false }
        core.counters.add(.udpMappingsEvicted)
        udp.remove(slot: idle.flow.slot, &core)
        return true
    }

    // MARK: Inspection

    /// Writes flows from the cursor on until the piece is full or the tables of the stack are at their end.
    public mutating func writeFlows(from cursor: inout FlowCursor, to writer: inout FlowRecordWriter) {
        let now = core.now
        cursor.list(.connections, upTo: tcp.slotLimit, to: &writer) { tcp.record(inSlot: $0, now: now) }
        cursor.list(.mappings, upTo: udp.slotLimit, to: &writer) { udp.record(inSlot: $0, now: now) }
        cursor.list(.pings, upTo: ping.slotLimit, to: &writer) { ping.record(inSlot: $0, now: now) }
    }
}
