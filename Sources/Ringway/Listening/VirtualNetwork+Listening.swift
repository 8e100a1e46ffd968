internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem
internal import RingwayTap
internal import Synchronization

extension VirtualNetwork {
    /// Listens for guests at an address. Throws if the address cannot be opened; guests that are attached, detached
    /// or refused later are reported by events.
    ///
    /// - Parameters:
    ///   - address: the address to listen at.
    ///   - mode: the permissions of a new unix socket.
    ///   - terms: the guests that may connect there, and their identity; without terms a guest's first frame or its
    ///     agent determines its identity.
    public func listen(
        on address: LinkAddress, mode: UInt32 = 0o600, terms: LinkTerms = LinkTerms()
    ) throws(Failure) {
        if let problem = terms.problem(at: address, hasToken: !configuration.agentToken.isEmpty) {
            throw Failure(problem, .invalid)
        }
        try state.withLock { (state) throws(Failure) in try state.bindings.bind(address, terms) }
        do throws(Failure) {
            try open(address, mode, ListenerPlace(network: self, address: address, terms: terms))
        } catch {
            state.withLock { $0.bindings.release(address) }
            throw error
        }
    }

    private func open(_ address: LinkAddress, _ mode: UInt32, _ place: ListenerPlace) throws(Failure) {
        switch address {
        case .qemu(let path): try listen(at: path, framing: .qemu, mode, place)
        case .vpnkit(let path): try listen(at: path, framing: .vpnkit, mode, place)
        case .qemuDatagram(let path):
            let (descriptor, file) = try SocketFile.bind(path, type: SOCK_DGRAM, mode: mode)
            start(address) { DatagramListener(descriptor, file: file, mode: mode, place: place) }
        case .tap(let name):
            do throws(SystemError) {
                start(try TapDevice.open(name: name, queues: configuration.shardCount), place)
            } catch {
                throw Failure("\(address): \(error)")
            }
        case .agent, .agentPort, .agentMonitor:
            let listener = try AgentGuestListener(place, mode: mode)
            start(address) { listener }
        case .inherited(let descriptors, let framing): try adopt(descriptors, framing, place)
        }
    }

    /// Stops listening at an address, and removes the socket's file. Guests that were accepted there stay attached,
    /// except those of agents: an agent opens further connections at this address.
    public func stopListening(on address: LinkAddress) {
        loop.perform { [listeners] in listeners.remove(address) }
        state.withLock { $0.bindings.release(address) }
    }

    private func listen(
        at path: String, framing: StreamFraming, _ mode: mode_t, _ place: ListenerPlace
    ) throws(Failure) {
        let (descriptor, file) = try SocketFile.bind(path, type: SOCK_STREAM, mode: mode)
        guard Glibc.listen(descriptor, 16) == 0 else {
            let reason = String(cString: strerror(errno))
            close(descriptor)
            file.remove()
            throw Failure("cannot listen at \(path): \(reason)")
        }
        start(place.address) { StreamListener(descriptor, file: file, framing: framing, place: place) }
    }

    private func start(_ address: LinkAddress, _ make: @escaping @Sendable () -> any GuestListener) {
        loop.post { [listeners] in listeners.add(make(), at: address) }
    }

    private func start(_ device: consuming TapDevice, _ place: ListenerPlace) {
        let listener = DeviceListener(device, place: place)
        loop.post { [listeners] in listeners.add(listener, at: place.address) }
    }

    // MARK: Inherited descriptors

    private func adopt(
        _ descriptors: [Int32], _ framing: StreamFraming, _ place: ListenerPlace
    ) throws(Failure) {
        for descriptor in descriptors {
            guard ringway_is_open(descriptor) else { throw Failure("\(place.address): that descriptor is not open") }
            _ = ringway_close_on_exec(descriptor)
            _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        }
        let type = ringway_socket_type(descriptors[0])
        guard type >= 0 else {
            do throws(SystemError) {
                start(try TapDevice.adopt(queues: descriptors), place)
            } catch {
                throw Failure("\(place.address): \(error)")
            }
            return
        }
        guard descriptors.count == 1 else {
            throw Failure("\(place.address): a socket is one descriptor; several are the queues of a TAP")
        }
        let descriptor = descriptors[0]
        switch type {
        case Int32(SOCK_STREAM.rawValue) where ringway_is_listening(descriptor):
            start(place.address) { StreamListener(descriptor, file: nil, framing: framing, place: place) }
        case Int32(SOCK_STREAM.rawValue):
            start(place.address) { SingleListener(descriptor, .stream(framing), place: place) }
        default:
            start(place.address) { SingleListener(descriptor, .datagram, place: place) }
        }
    }

    /// Why a guest cannot have its preferred address; `nil` if it can.
    func refusal(of preferred: IPv4Address, for mac: MACAddress) -> String? {
        state.withLock { $0.registry.refusal(of: preferred, for: mac) }
    }
}
