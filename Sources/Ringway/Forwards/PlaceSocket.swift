internal import CRingway
internal import Glibc
internal import RingwayAgentHost
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwaySystem
internal import Synchronization

/// The listening socket of a configured place: a host address or unix socket whose clients an agent forwards.
///
/// A TCP port is held as long as the place is configured: one socket stays bound, and listens only while the agent is
/// connected. While it does not listen, SO_REUSEADDR is off, which keeps other servers from binding the port. A UDP
/// port is held only while the agent is connected, because a bound UDP socket would silently take the clients'
/// datagrams. Likewise the file of a unix socket exists only while the agent is connected.
final class PlaceSocket: Sendable {
    private static var backlog: Int32 { 1_024 }

    private let forward: AgentForward
    private struct State {
        /// The socket that is bound to the TCP port; -1 for UDP ports and unix sockets.
        var descriptor: Int32 = -1
        var file: SocketFile?
    }
    private let state: Mutex<State>

    /// Checks whether the listening place of the forward can be opened, and binds a socket if it is a TCP port.
    init(_ forward: AgentForward) throws(VirtualNetwork.Failure) {
        self.forward = forward
        if case .unix = forward.place, forward.isDatagram {
            throw VirtualNetwork.Failure("cannot forward \(forward): datagrams need an address, not a path")
        }
        guard case .address(let address) = forward.place, !forward.isDatagram else {
            state = Mutex(State())
            // Checks now that the place can be opened, although another program may take it before the agent connects.
            _ = try listen()
            rest()
            return
        }
        do throws(Refusal) {
            let socket = try PublishedSocket.bound(address, isStream: true)
            Self.keepOthersOut(socket.rawValue, true)
            state = Mutex(State(descriptor: socket.take()))
        } catch {
            throw Self.failure(forward, error.errorNumber)
        }
    }

    deinit { end() }

    /// Starts to listen; returns a descriptor for the agents' thread.
    func listen() throws(VirtualNetwork.Failure) -> OwnedDescriptor {
        switch forward.place {
        case .unix(let path):
            let (descriptor, file) = try SocketFile.listenPrivately(path, backlog: Self.backlog)
            state.withLock { $0.file = file }
            return OwnedDescriptor(adopting: descriptor)
        case .address(let address):
            let held = state.withLock { $0.descriptor }
            guard held >= 0 else {
                let request = PublishRequest(
                    number: 0, transport: .udp, host: address,
                    guest: TransportAddress(address: address.address, port: 1))
                do throws(Refusal) {
                    return OwnedDescriptor(adopting: try PublishedSocket.open(request).descriptor)
                } catch {
                    throw Self.failure(forward, error.errorNumber)
                }
            }
            Self.keepOthersOut(held, false)
            guard let copy = OwnedDescriptor(result: fcntl(held, F_DUPFD_CLOEXEC, 0)),
                Glibc.listen(held, Self.backlog) == 0
            else {
                let error = errno
                Self.keepOthersOut(held, true)
                throw Self.failure(forward, error)
            }
            return copy
        }
    }

    /// The agent has disconnected: clients are refused from now on, and those not accepted yet are reset.
    func rest() {
        let (held, file) = state.withLock { state in
            defer { state.file = nil }
            return (state.descriptor, state.file)
        }
        file?.remove()
        guard held >= 0 else { return }
        // Shutdown stops listening, and the socket stays bound.
        shutdown(held, Int32(SHUT_RDWR))
        Self.keepOthersOut(held, true)
    }

    /// Closes the socket, and removes the file of a unix socket.
    func end() {
        let (held, file) = state.withLock { state in
            defer { state = State() }
            return (state.descriptor, state.file)
        }
        file?.remove()
        // The agents' thread may close its duplicate of the descriptor later, and until then the socket would listen.
        // So a shutdown stops the listening at once.
        if held >= 0 {
            shutdown(held, Int32(SHUT_RDWR))
            close(held)
        }
    }

    private static func keepOthersOut(_ descriptor: Int32, _ isResting: Bool) {
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, isResting ? 0 : 1)
    }

    private static func failure(_ forward: AgentForward, _ number: Int32) -> VirtualNetwork.Failure {
        if case .address(let address) = forward.place {
            return VirtualNetwork.Failure(
                PortHolder.explain(number, address.address, address.port, forward.isDatagram ? .udp : .tcp),
                PortHolder.kind(of: number))
        }
        return VirtualNetwork.Failure("cannot forward \(forward): \(String(cString: strerror(number)))")
    }
}
