internal import Glibc
internal import Ringway
internal import RingwayControl

/// The control socket of `run` and `attach`. It listens from the start; the server, which needs threads, is started
/// when the first client connects. Used by the main thread only.
final class LazyControl {
    private let socket: ControlSocket
    private let network: VirtualNetwork
    private let identity: ControlIdentity?
    private var server: ControlServer?
    /// Descriptors that are closed when the server starts, so that the server can open its own even if guests use all
    /// others.
    private var reserve: [Int32] = []
    private static var reserveSize: Int { 8 }

    /// - Parameter identity: returns the identity that the control API reports for a network of the given name.
    init(_ socket: ControlSocket, _ network: VirtualNetwork, identity: (String) -> ControlIdentity) {
        self.socket = socket
        self.network = network
        guard case .listening(_, let name, _) = socket else {
            self.identity = nil
            return
        }
        self.identity = identity(name)
        for _ in 0..<Self.reserveSize {
            let spare = open("/dev/null", O_RDONLY | O_CLOEXEC)
            if spare >= 0 { reserve.append(spare) }
        }
    }

    private func giveUpReserve() {
        for spare in reserve { close(spare) }
        reserve = []
    }

    /// Readable when the first client has connected; negative if there is no socket, or the server has started.
    var descriptor: Int32 {
        guard server == nil, case .listening(let listener, _, _) = socket else { return -1 }
        return listener.descriptor
    }

    /// Starts the server.
    func start() {
        guard server == nil, case .listening(let listener, _, _) = socket, let identity else { return }
        giveUpReserve()
        let server = ControlServer()
        self.server = server
        do throws(VirtualNetwork.Failure) {
            try server.serve(network, as: identity, on: listener)
        } catch {
            StandardError.write(error.description)
        }
    }

    func stop() {
        giveUpReserve()
        if let server { return server.stop() }
        if case .listening(let listener, _, _) = socket { listener.close() }
    }
}
