internal import Glibc
internal import Ringway
internal import RingwayControl

/// Where the networks of a daemon can be asked and told things, as it was ordered.
struct ControlSockets {
    /// What the command line says.
    enum Order: Equatable {
        /// Nowhere.
        case none
        /// Each at a socket with its name, where there can be one.
        case named
        /// The only network at a socket with this name.
        case name(String)
        /// The only network at this socket.
        case path(String)
    }

    private let order: Order
    private let server: ControlServer?

    init(_ order: Order) {
        self.order = order
        server = order == .none ? nil : ControlServer(version: Version.text)
    }

    /// Whether several networks can follow the order.
    func check(_ orders: [NetworkOrder]) throws(CommandFailure) {
        guard orders.count > 1 else { return }
        switch order {
        case .none, .named: break
        case .name:
            throw CommandFailure("--name is for a single network, and the file has several", status: ExitStatus.usage)
        case .path:
            throw CommandFailure(
                "--control is for a single network, and the file has several", status: ExitStatus.usage)
        }
    }

    /// Opens the socket of a network. One that nobody asked for may be missing: that is said, and the network works.
    func open(_ network: VirtualNetwork, name: String) throws(CommandFailure) {
        guard let server else { return }
        do throws(CommandFailure) {
            switch order {
            case .none: break
            case .named: try serve(network, name, at: try Self.standardPath(name), server)
            case .name(let name): try serve(network, name, at: try Self.standardPath(name), server)
            case .path(let path): try serve(network, name, at: path, server)
            }
        } catch {
            guard order == .named else { throw error }
            StandardError.write("no control socket: \(error.message)")
        }
    }

    private func serve(
        _ network: VirtualNetwork, _ name: String, at path: String, _ server: ControlServer
    ) throws(CommandFailure) {
        do throws(VirtualNetwork.Failure) {
            try server.serve(network, name: name, at: path)
        } catch {
            throw CommandFailure(error.description)
        }
    }

    private static func standardPath(_ name: String) throws(CommandFailure) -> String {
        guard let path = ControlPath.path(of: name), let directory = ControlPath.directory else {
            throw CommandFailure("XDG_RUNTIME_DIR is not set: --control PATH names another place")
        }
        let error = ControlPath.makeDirectory()
        guard error == 0 else {
            throw CommandFailure("cannot make \(directory): \(String(cString: strerror(error)))")
        }
        return path
    }

    func stop() { server?.stop() }
}
