internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayReactor
internal import RingwayRing
internal import RingwayStack
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// The host sockets of a guest's TCP connections.
///
/// ## Theory of operation
///
/// The stack has one connection for each socket. It requests connect, send, receive and watch, at most one of each at
/// a time. A connection may end before its socket is closed, and the socket's slot may be reused. A request therefore
/// names the slot and the connection, and is ignored if the slot has another connection's socket. The result of a
/// completion is passed to the stack at once.
///
/// **Sending** takes the payload from the connection's buffers, one slice by `send` and several by one `sendmsg`. The
/// operation holds references to the buffers until it completes. A send that failed with a temporary error
/// (`isShortage`) is retried after a pause. **Receiving** uses a buffer of the shard's buffer ring. The socket is
/// queued if the ring is empty, and while the link is congested or the guest has used up its share of buffers.
/// **Watching** is a poll that detects errors while no receive is in flight.
struct TCPSockets: ~Copyable {
    enum Operation: UInt8, ShardOperation {
        /// A connect, or a poll for its result.
        case connect
        case send
        case receive
        /// A multishot poll for errors, and in some cases for the FIN of a client.
        case watch

        static var owner: OperationOwner { .tcp }
    }

    private let shared: EngineShared
    let counters: Counters
    var sockets: Slab<StreamSocket>
    /// Sockets whose receive found no buffer, or is paused (`receive`).
    var starved: SlotList
    /// Sockets whose send failed with a temporary error.
    var deferred: SlotList

    init(shared: EngineShared, counters: Counters) throws(MemoryFailure) {
        let sockets = try Slab<StreamSocket>(
            capacity: max(64, shared.configuration.stack.limits.flowsPerGuest) + 1_024)
        self.shared = shared
        self.counters = counters
        starved = SlotList(of: sockets.base, offset: MemoryLayout<StreamSocket>.offset(of: \.starvedLinks))
        deferred = SlotList(of: sockets.base, offset: MemoryLayout<StreamSocket>.offset(of: \.deferredLinks))
        self.sockets = sockets
    }

    var count: Int { sockets.count }

    /// Handles a completion of one of the component's operations.
    @inline(__always)
    mutating func complete(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        switch Operation(completion.tag) {
        case .send: sent(completion, &core, &stack)
        case .receive: received(completion, &core, &stack)
        case .connect: connected(completion, &core, &stack)
        case .watch: watched(completion, &core, &stack)
        case nil: break
        }
    }

    /// The socket in a slot if it still belongs to the connection and the stack has not closed it.
    @inline(__always)
    mutating func socket(_ slot: UInt32, of flow: Handle) -> UnsafeMutablePointer<StreamSocket>? {
        guard let socket = sockets.pointer(inSlot: slot), socket.pointee.flow == flow, !socket.pointee.isClosing else {
            return nil
        }
        return socket
    }

    private mutating func insert(_ socket: StreamSocket) -> Handle? {
        guard let handle = sockets.insert(socket) else { return nil }
        counters.add(.hostSockets)
        return handle
    }

    // MARK: Connecting

    /// Opens a socket for a connection and connects it.
    ///
    /// - Parameter wanted: properties of the connect. A privileged source port is used only if `keepsPrivilegedPorts`
    ///   is set.
    mutating func connect(
        _ flow: Handle, to address: TransportAddress, _ wanted: ConnectManner, _ core: inout ShardCore,
        _ stack: inout Stack
    ) {
        guard isAdmitted(flow, &stack) else { return }
        var manner = wanted
        if !shared.configuration.keepsPrivilegedPorts { manner.privilegedPort = 0 }
        let isIPv4 = address.address.isIPv4
        let descriptor = StreamSocket.open(ipv4: isIPv4)
        guard descriptor >= 0 else {
            shared.descriptors.release()
            return stack.streamConnectFailed(flow, .init(errno: -descriptor))
        }
        core.chargeSocket()
        let state: StreamSocket.State = manner.hopLimit == nil ? .connecting : .probing
        guard let handle = insert(StreamSocket(descriptor: descriptor, flow: flow, state: state, mayDelay: true)),
            let socket = sockets.pointer(to: handle)
        else {
            Endpoint.close(descriptor, reset: true)
            shared.descriptors.release()
            return stack.streamConnectFailed(flow, .exhausted)
        }
        socket.pointee.address.set(address)
        socket.pointee.pending = .connect
        if !manner.apply(to: descriptor, ipv4: isIPv4) { counters.add(.tcpSourcePortsNotKept) }
        stack.streamOpened(flow, socket: handle.slot)
        let name = UnsafeMutableRawPointer(socket).advanced(
            by: MemoryLayout<StreamSocket>.offset(of: \.address) ?? 0)
        core.reactor.ring.connect(
            descriptor, to: UnsafePointer(name.assumingMemoryBound(to: sockaddr.self)),
            length: socket.pointee.address.length, Operation.connect.tag(handle))
    }

    /// Gives a connection a stream to the DNS service: a pair of unix sockets, one end of which the control plane
    /// serves.
    mutating func connectService(_ flow: Handle, _ stack: inout Stack) {
        guard let service = shared.nameService else { return stack.streamConnectFailed(flow, .refused) }
        guard isAdmitted(flow, descriptors: 2, &stack) else { return }
        guard let pair = Endpoint.pair(type: Int32(SOCK_STREAM.rawValue)) else {
            shared.descriptors.release(2)
            return stack.streamConnectFailed(flow, .exhausted)
        }
        guard let handle = insert(StreamSocket(descriptor: pair.own, flow: flow)) else {
            Endpoint.close(pair.own, reset: false)
            Endpoint.close(pair.other, reset: false)
            shared.descriptors.release(2)
            return stack.streamConnectFailed(flow, .exhausted)
        }
        sockets.pointer(to: handle)?.pointee.charge = 2
        stack.streamOpened(flow, socket: handle.slot)
        service.serve(stream: OwnedDescriptor(adopting: pair.other), hasIPv6: shared.hasIPv6)
        stack.streamConnected(flow)
    }

    /// Counts the descriptors of a connection that the guest opens. If none are available, returns false and reports
    /// the failed connect to the stack.
    private mutating func isAdmitted(_ flow: Handle, descriptors count: Int = 1, _ stack: inout Stack) -> Bool {
        switch shared.descriptors.admit(&stack, count) {
        case .granted: return true
        case .beyondShare: stack.streamConnectFailed(flow, .beyondShare)
        case .awaited: stack.streamConnectFailed(flow, .exhausted)
        }
        return false
    }

    /// Opens a connection to the guest for a client of a published port. The client's descriptor is already counted;
    /// if the connection cannot be opened, the client is reset.
    mutating func open(_ client: PortClient, _ core: inout ShardCore, _ stack: inout Stack) {
        counters.add(.forwardsAccepted)
        let trafficClass = ConnectManner.trafficClass(
            ofClient: client.descriptor, ipv4: client.address.address.isIPv4)
        let trust = shared.addresses.trust(client.guest.address, now: core.now)
        guard
            let flow = stack.openFromHost(
                client: client.address, guest: client.guest, trust: trust, trafficClass: trafficClass)
        else { return shared.turnAway(client) }
        guard let handle = insert(StreamSocket(descriptor: client.descriptor, flow: flow)) else {
            shared.turnAway(client)
            return stack.streamFailed(flow)
        }
        stack.streamOpened(flow, socket: handle.slot)
    }

    /// Returns a client whose connection the stack has abandoned because `guest` does not answer, so that another
    /// address can be tried.
    ///
    /// - Returns: `nil` if the socket is closed, or must be closed because an operation other than the poll is
    ///   pending or the client's address is unknown.
    mutating func reclaim(_ slot: UInt32, of guest: TransportAddress, _ core: inout ShardCore) -> PortClient? {
        guard let socket = sockets.pointer(inSlot: slot), !socket.pointee.isClosing else { return nil }
        let descriptor = socket.pointee.descriptor
        guard socket.pointee.pending.subtracting(.watch).isEmpty, let address = SocketAddress.peer(of: descriptor)
        else {
            close(socket, reset: true, &core)
            return nil
        }
        if socket.pointee.pending.contains(.watch) { core.cancel(Operation.watch.tag(sockets.handle(ofSlot: slot))) }
        sockets.remove(slot: slot)
        counters.add(.hostSockets, -1)
        return PortClient(descriptor: descriptor, address: address, guest: guest)
    }

    private mutating func connected(_ completion: Completion, _ core: inout ShardCore, _ stack: inout Stack) {
        guard let socket = sockets.pointer(to: completion.tag.handle) else { return }
        socket.pointee.pending.remove(.connect)
        if socket.pointee.isClosing { return closeWhenIdle(socket, &core) }
        let flow = socket.pointee.flow
        let isProbing = socket.pointee.state == .probing
        let error =
            completion.result >= 0 ? StreamSocket.connectError(socket.pointee.descriptor) : -completion.result
        switch error {
        case 0:
            if isProbing { ConnectManner.end(on: socket.pointee.descriptor) }
            socket.pointee.connected()
            stack.streamConnected(flow)
        case EINPROGRESS, EALREADY:
            socket.pointee.pending.insert(.connect)
            core.reactor.ring.poll(socket.pointee.descriptor, UInt32(POLLOUT), completion.tag)
        default:
            // The hop limit may have expired at a router, as traceroute intends; the guest then gets the router's
            // ICMP error.
            let report = isProbing ? ErrorQueue.first(of: socket.pointee.descriptor) : nil
            close(socket, reset: true, &core)
            if let report, let reason = ICMPError.Reason(report) {
                stack.streamConnectReported(flow, reason, from: report.offender)
            } else {
                stack.streamConnectFailed(flow, .init(errno: error))
            }
        }
    }

    // MARK: Asking the kernel

    /// Tells the stack what the kernel knows of the peer; with `solicits` the kernel also probes a silent peer.
    mutating func inspect(_ flow: Handle, _ slot: UInt32, solicits: Bool, _ stack: inout Stack) {
        guard let socket = self.socket(slot, of: flow) else { return }
        let peer = socket.pointee.peer.inspect(
            socket.pointee.descriptor, solicits: solicits, beyond: PeerWatch.keepaliveTrust)
        stack.streamReported(flow, PeerReport(peer))
    }

    /// Sets the traffic class.
    mutating func classify(_ flow: Handle, _ slot: UInt32, ipv4: Bool, _ trafficClass: UInt8) {
        guard let socket = self.socket(slot, of: flow) else { return }
        ConnectManner.classify(socket.pointee.descriptor, ipv4: ipv4, trafficClass)
    }

    // MARK: Ending

    /// The guest has sent FIN, and the socket has accepted all data of the guest: sends FIN to the peer.
    mutating func shutDown(_ flow: Handle, _ slot: UInt32) {
        guard let socket = self.socket(slot, of: flow) else { return }
        socket.pointee.shutDown()
        HostCalls.shutdown(socket.pointee.descriptor, Int32(SHUT_WR))
    }

    /// Closes the socket of an ended connection; with `reset` its peer sees RST.
    mutating func close(_ flow: Handle, _ slot: UInt32, reset: Bool, _ core: inout ShardCore) {
        guard let socket = self.socket(slot, of: flow) else { return }
        close(socket, reset: reset, &core)
    }

    /// Closes a socket now, or after its pending operations.
    mutating func close(
        _ socket: UnsafeMutablePointer<StreamSocket>, reset: Bool, _ core: inout ShardCore
    ) {
        socket.pointee.beginClosing(reset: reset)
        let pending = socket.pointee.pending
        if !pending.isEmpty {
            let handle = sockets.handle(ofSlot: sockets.slot(of: socket))
            if pending.contains(.receive) { core.cancel(Operation.receive.tag(handle)) }
            if pending.contains(.send) { core.cancel(Operation.send.tag(handle)) }
            if pending.contains(.connect) { core.cancel(Operation.connect.tag(handle)) }
            if pending.contains(.watch) { core.cancel(Operation.watch.tag(handle)) }
        }
        closeWhenIdle(socket, &core)
    }

    /// Closes a socket that the stack has closed, once no operation refers to it.
    mutating func closeWhenIdle(_ socket: UnsafeMutablePointer<StreamSocket>, _ core: inout ShardCore) {
        guard socket.pointee.isIdle else { return }
        core.close(socket.pointee.descriptor, reset: socket.pointee.state == .resetting)
        counters.add(.hostSockets, -1)
        shared.descriptors.release(Int(socket.pointee.charge))
        sockets.remove(slot: sockets.slot(of: socket))
    }

    /// Closes the sockets in at most `count` slots from `cursor` on, at the end of the guest; true when no slot is
    /// left.
    mutating func close(_ count: Int, from cursor: inout UInt32, _ core: inout ShardCore) -> Bool {
        let end = min(sockets.highWater, cursor + UInt32(count))
        while cursor < end {
            if let socket = sockets.pointer(inSlot: cursor), !socket.pointee.isClosing {
                close(socket, reset: true, &core)
            }
            cursor += 1
        }
        return cursor == sockets.highWater
    }

    /// Empties the queues of waiting sockets, at the end of the guest. The descriptor of a queued socket that is
    /// closing is then closed, if no operation of the socket is pending.
    mutating func closeWaiting(_ core: inout ShardCore) {
        while let slot = starved.popFirst() { endWait(.buffer, slot, &core) }
        while let slot = deferred.popFirst() { endWait(.retry, slot, &core) }
    }

    private mutating func endWait(_ reason: StreamSocket.Pending, _ slot: UInt32, _ core: inout ShardCore) {
        guard let socket = sockets.pointer(inSlot: slot) else { return }
        socket.pointee.pending.remove(reason)
        if socket.pointee.isClosing { closeWhenIdle(socket, &core) }
    }

    /// Closes everything immediately, after the ring has failed. Peers see RST, as after any end of the guest.
    mutating func closeDescriptors() {
        for slot in 0..<sockets.highWater {
            guard let socket = sockets.pointer(inSlot: slot) else { continue }
            Endpoint.close(socket.pointee.descriptor, reset: true)
            shared.descriptors.release(Int(socket.pointee.charge))
        }
    }
}
