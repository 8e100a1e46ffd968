internal import Ringway
internal import RingwayControl

/// The control socket of `run` and `attach`: it listens from the start, and the server behind it, which takes threads, is
/// started by the first client. Used by the main thread only.
final class LazyControl {
    private let socket: ControlSocket
    private let network: VirtualNetwork
    private let identity: ControlIdentity?
    private var server: ControlServer?

    /// - Parameter identity: what the network says of itself, given its name.
    init(_ socket: ControlSocket, _ network: VirtualNetwork, identity: (String) -> ControlIdentity) {
        self.socket = socket
        self.network = network
        if case .listening(_, let name, _) = socket { self.identity = identity(name) } else { self.identity = nil }
    }

    /// Readable when the first client has come; negative when that need not be watched.
    var descriptor: Int32 {
        guard server == nil, case .listening(let listener, _, _) = socket else { return -1 }
        return listener.descriptor
    }

    /// Starts the server.
    func start() {
        guard server == nil, case .listening(let listener, _, _) = socket, let identity else { return }
        let server = ControlServer()
        self.server = server
        do throws(VirtualNetwork.Failure) {
            try server.serve(network, as: identity, on: listener)
        } catch {
            StandardError.write(error.description)
        }
    }

    func stop() {
        if let server { return server.stop() }
        if case .listening(let listener, _, _) = socket { listener.close() }
    }
}
