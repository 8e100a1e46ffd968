internal import CRingway
internal import Glibc
internal import RingwayEngine
internal import RingwayModel
internal import Synchronization

/// Listening TCP sockets opened by another program, such as a service manager, for ports to be published.
///
/// The other program has the sockets open, too, so they cannot be made to stop listening. The network keeps them open
/// until it ends. While a socket has no guest, its clients are accepted and reset here.
struct InheritedPorts {
    /// The address and port of a socket; the address is `nil` for all addresses of both families.
    struct Place: Hashable {
        let address: IPAddress?
        let port: UInt16
    }

    private var free: [Place: Int32] = [:]
    private(set) var descriptors: [Int32] = []
    /// Sockets without a guest, whose clients are reset.
    private var resetting: Set<Int32> = []

    /// Adds a socket and takes ownership of its descriptor.
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

    /// Removes and returns the socket for a port to be published, if there is one.
    mutating func take(for forward: PortForward) -> Int32? {
        guard forward.transport == .tcp, forward.hostPorts.count == 1 else { return nil }
        return free.removeValue(forKey: Place(address: forward.hostAddress, port: forward.hostPorts.lowerBound))
    }

    /// The port is no longer published; the socket is kept for the next forward of the port.
    mutating func giveBack(_ descriptor: Int32) {
        if let place = Self.place(of: descriptor) { free[place] = descriptor }
    }

    /// Sets whether a socket's clients are reset.
    mutating func resetClients(of descriptor: Int32, _ resets: Bool) {
        if resets { resetting.insert(descriptor) } else { resetting.remove(descriptor) }
    }

    /// Whether a socket's clients are reset.
    func resetsClients(of descriptor: Int32) -> Bool { resetting.contains(descriptor) }

    /// Accepts one client that must be reset. Returns its descriptor or a negated `errno`; -EAGAIN if no client waits,
    /// or if clients of the socket are no longer reset, because a guest's engine accepts them.
    func clientToReset(of descriptor: Int32) -> Int32 {
        guard resetting.contains(descriptor) else { return -EAGAIN }
        let client = accept(descriptor, nil, nil)
        return client >= 0 ? client : -errno
    }

    /// Closes all inherited sockets.
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
    /// Takes ownership of a listening TCP socket that another program, such as a service manager, has opened. A
    /// forward that is published for the same address and port uses the socket. While no forward uses it, or the
    /// forward has no guest, clients are accepted and reset.
    ///
    /// A forward without a host address uses a socket that listens on all addresses of both families.
    public func adopt(portListener descriptor: Int32) throws(Failure) {
        try state.withLock { (state) throws(Failure) in try state.inheritedPorts.add(descriptor) }
        resetClients(of: descriptor)
    }

    /// Accepts and resets the clients of a socket that has no guest.
    func resetClients(of descriptor: Int32) {
        state.withLock { $0.inheritedPorts.resetClients(of: descriptor, true) }
        loop.post { [weak self] in self?.watchClients(of: descriptor) }
    }

    /// Called on the loop's thread.
    private func watchClients(of descriptor: Int32) {
        // Meanwhile the socket may have been given to a guest's engine, or closed.
        guard state.withLock({ $0.inheritedPorts.resetsClients(of: descriptor) }) else { return }
        loop.watch(descriptor) { [weak self] in self?.resetWaitingClients(of: descriptor) }
    }

    private func resetWaitingClients(of descriptor: Int32) {
        // At most 64 clients per turn of the loop, so that other events are handled, too.
        for _ in 0..<64 {
            let client = state.withLock { $0.inheritedPorts.clientToReset(of: descriptor) }
            if client == -EMFILE || client == -ENFILE {
                // The client still waits, so the loop would report the socket in every turn.
                loop.unwatch(descriptor)
                loop.after(milliseconds: 1_000) { [weak self] in self?.watchClients(of: descriptor) }
            }
            guard client >= 0 else { return }
            var atOnce = linger(l_onoff: 1, l_linger: 0)
            setsockopt(client, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
            close(client)
        }
    }

    /// Stops accepting clients of a socket, because a guest accepts them from now on.
    func leaveClients(of descriptor: Int32) {
        state.withLock { $0.inheritedPorts.resetClients(of: descriptor, false) }
        loop.post { [weak self] in self?.loop.unwatch(descriptor) }
    }

    /// Closes the sockets of forwards, except those opened by another program: they are kept for the next forward of
    /// the port. No engine may use the sockets any more.
    func closePorts(of records: [ForwardRecord]) {
        // All sockets in one call, because `PortSockets.close` uses several threads for many sockets.
        PortSockets.close(records.flatMap { $0.isInherited ? [] : $0.sockets })
        for record in records where record.isInherited {
            guard let descriptor = record.sockets.first else { continue }
            state.withLock { $0.inheritedPorts.giveBack(descriptor) }
            resetClients(of: descriptor)
        }
    }
}
