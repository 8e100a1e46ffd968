internal import Ringway
internal import RingwayControl

/// The control sockets of the networks of `ringway serve`, and the server that they share.
struct ServedControl {
    private let order: ControlOrder
    private let server: ControlServer?

    init(_ order: ControlOrder) {
        self.order = order
        server = order == .none ? nil : ControlServer()
    }

    /// Throws if one name or path is given for several networks.
    func check(_ orders: [NetworkOrder]) throws(CommandFailure) {
        guard orders.count > 1 else { return }
        switch order {
        case .none, .derived: break
        case .name:
            throw CommandFailure("--name is for a single network, and the file has several", status: ExitStatus.usage)
        case .path:
            throw CommandFailure(
                "--control is for a single network, and the file has several", status: ExitStatus.usage)
        }
    }

    /// Opens the socket of a network; returns a message about it. A failure is an error only if the user gave the
    /// socket's name or path.
    func open(_ network: VirtualNetwork, _ networkOrder: NetworkOrder) throws(CommandFailure) -> String? {
        guard let server else { return nil }
        let socket = try ControlSocket.open(order, name: networkOrder.name)
        guard case .listening(let listener, let name, _) = socket else { return socket.notice }
        let identity = ControlIdentity(
            name: name, kind: .serve, target: networkOrder.places, version: Version.text,
            sandbox: .current)
        do throws(VirtualNetwork.Failure) {
            try server.serve(network, as: identity, on: listener)
        } catch {
            throw CommandFailure(error.description)
        }
        return socket.notice
    }

    func stop() { server?.stop() }
}
