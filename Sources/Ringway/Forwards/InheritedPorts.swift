internal import CRingway
internal import Glibc
internal import RingwayEngine
internal import RingwayWire
internal import Synchronization

/// TCP sockets that listen already, opened by another program such as a service manager, for ports that are to be published.
///
/// They belong to that program too: they cannot be stopped from listening, and are open for as long as the network lives.
/// While one leads to no guest its clients are accepted and reset here.
struct InheritedPorts {
    /// Where a socket listens; no address stands for every one of both families.
    struct Place: Hashable {
        let address: IPAddress?
        let port: UInt16
    }

    private var free: [Place: Int32] = [:]
    private(set) var descriptors: [Int32] = []
    /// Sockets that lead nowhere, whose clients are reset.
    private var resetting: Set<Int32> = []

    /// Takes a socket up, and with it its descriptor.
    mutating func add(_ descriptor: Int32) throws(VirtualNetwork.Failure) {
        guard let place = Self.place(of: descriptor) else {
            throw VirtualNetwork.Failure("descriptor \(descriptor) is no TCP socket that listens", .invalid)
        }
        guard free[place] == nil else {
            throw VirtualNetwork.Failure("two descriptors listen at port \(place.port)", .invalid)
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        _ = ringway_close_on_exec(descriptor)
        free[place] = descriptor
        descriptors.append(descriptor)
    }

    /// The socket of a port that is to be published, if it is here.
    mutating func take(for forward: PortForward) -> Int32? {
        guard forward.transport == .tcp, forward.hostPorts.count == 1 else { return nil }
        return free.removeValue(forKey: Place(address: forward.hostAddress, port: forward.hostPorts.lowerBound))
    }

    /// A port is no longer published.
    mutating func giveBack(_ descriptor: Int32) {
        if let place = Self.place(of: descriptor) { free[place] = descriptor }
    }

    /// A socket's clients are to be reset from now on, or not any more.
    mutating func resetClients(of descriptor: Int32, _ resets: Bool) {
        if resets { resetting.insert(descriptor) } else { resetting.remove(descriptor) }
    }

    /// Accepts a client that is to be reset; -1 where there is none, or a guest takes them by now.
    func clientToReset(of descriptor: Int32) -> Int32 {
        resetting.contains(descriptor) ? accept(descriptor, nil, nil) : -1
    }

    /// Closes all of them.
    mutating func close() {
        for descriptor in descriptors { _ = Glibc.close(descriptor) }
        free = [:]
        resetting = []
        descriptors = []
    }

    private static func place(of descriptor: Int32) -> Place? {
        func option(_ level: Int32, _ name: Int32) -> Int32? {
            var value: Int32 = 0
            var length = socklen_t(MemoryLayout<Int32>.size)
            return getsockopt(descriptor, level, name, &value, &length) == 0 ? value : nil
        }
        guard option(SOL_SOCKET, SO_TYPE) == Int32(SOCK_STREAM.rawValue), option(SOL_SOCKET, SO_ACCEPTCONN) == 1,
            let local = PortSockets.address(of: descriptor)
        else { return nil }
        let isOfBoth =
            local.address.isUnspecified && !local.address.isIPv4 && option(Int32(IPPROTO_IPV6), IPV6_V6ONLY) == 0
        return Place(address: isOfBoth ? nil : local.address, port: local.port)
    }
}

extension VirtualNetwork {
    /// Uses a TCP socket that listens already, opened by another program such as a service manager, for its port once that is
    /// published; before, and while there is no guest, clients are accepted and reset. Adopts the descriptor.
    ///
    /// A socket of every address of both families is for a forward without an address.
    public func adopt(portListener descriptor: Int32) throws(Failure) {
        try state.withLock { (state) throws(Failure) in try state.inheritedPorts.add(descriptor) }
        resetClients(of: descriptor)
    }

    /// Has clients of a socket that leads nowhere accepted and reset.
    func resetClients(of descriptor: Int32) {
        state.withLock { $0.inheritedPorts.resetClients(of: descriptor, true) }
        loop.post { [weak self] in
            self?.loop.watch(descriptor) { [weak self] in
                // A few at a time: the loop has other things to do.
                for _ in 0..<64 {
                    let client = self?.state.withLock { $0.inheritedPorts.clientToReset(of: descriptor) } ?? -1
                    guard client >= 0 else { return }
                    var atOnce = linger(l_onoff: 1, l_linger: 0)
                    setsockopt(client, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
                    close(client)
                }
            }
        }
    }

    /// Leaves the clients of a socket to a guest: none is reset when this has returned, though the loop may be told of
    /// some a last time.
    func leaveClients(of descriptor: Int32) {
        state.withLock { $0.inheritedPorts.resetClients(of: descriptor, false) }
        loop.post { [weak self] in self?.loop.unwatch(descriptor) }
    }

    /// Gives up the ports of forwards whose sockets no engine has any more; sockets that another program has opened stay
    /// for the next forward of the port.
    func closePorts(of records: [ForwardRecord]) {
        for record in records {
            var record = record
            guard record.isInherited, let descriptor = record.sockets.first else {
                record.close()
                continue
            }
            state.withLock { $0.inheritedPorts.giveBack(descriptor) }
            resetClients(of: descriptor)
        }
    }
}
