internal import Glibc
internal import Ringway
internal import RingwayControl

/// The control socket of a network, or why there is none.
enum ControlSocket {
    /// No socket was requested.
    case none
    /// The socket could not be created, but it was optional.
    case missing(reason: String)
    /// The socket is listening. `name` is the network's name. `wanted` is the network's default name if another
    /// network has taken that name, otherwise `nil`.
    case listening(ControlListener, name: String, wanted: String?)

    /// Creates the socket. Throws if the user's own path or name cannot be used.
    ///
    /// - Parameter name: the network's default name, used unless the order has another.
    static func open(_ order: ControlOrder, name: String) throws(CommandFailure) -> ControlSocket {
        switch order {
        case .none: return .none
        case .path(let path, let given): return .listening(try listen(at: path), name: given ?? name, wanted: nil)
        case .name(let name):
            do throws(VirtualNetwork.Failure) {
                return .listening(try ControlListener(at: try standardPath(name)), name: name, wanted: nil)
            } catch {
                guard error.kind == .pathInUse else { throw CommandFailure(error.description) }
                throw CommandFailure("the name \(name) is taken\(holder(of: name)); --name chooses another")
            }
        case .derived:
            do throws(CommandFailure) {
                return try openDerived(name)
            } catch {
                return .missing(reason: error.message)
            }
        }
    }

    /// The words " by process PID" about the process that uses a name; empty if that process is not known.
    private static func holder(of name: String) -> String {
        let process = ControlPath.path(of: name).flatMap { ControlClient(path: $0).listener.process }
        return process.map { " by process \($0)" } ?? ""
    }

    private static func openDerived(_ name: String) throws(CommandFailure) -> ControlSocket {
        var last: VirtualNetwork.Failure?
        for candidate in [name] + ControlName.alternatives(to: name) {
            do throws(VirtualNetwork.Failure) {
                let listener = try ControlListener(at: try standardPath(candidate))
                return .listening(listener, name: candidate, wanted: candidate == name ? nil : name)
            } catch {
                last = error
                guard error.kind == .pathInUse else { break }
            }
        }
        throw CommandFailure(last?.description ?? "every name like \(name) is taken")
    }

    private static func listen(at path: String) throws(CommandFailure) -> ControlListener {
        do throws(VirtualNetwork.Failure) {
            return try ControlListener(at: path)
        } catch {
            throw CommandFailure(error.description)
        }
    }

    private static func standardPath(_ name: String) throws(VirtualNetwork.Failure) -> String {
        guard let path = ControlPath.path(of: name), let directory = ControlPath.directory else {
            throw VirtualNetwork.Failure.control("XDG_RUNTIME_DIR is not set: --control PATH names another place")
        }
        if let reason = ControlPath.makeDirectory() {
            throw VirtualNetwork.Failure.control("cannot use \(directory): \(reason)")
        }
        return path
    }

    /// The message about the socket that is printed when the network is up; `nil` for none.
    var notice: String? {
        switch self {
        case .none: nil
        case .missing(let reason): "no control socket: \(reason)"
        case .listening(let listener, let name, let wanted):
            (wanted.map { "named \(name), because \($0) is taken\(Self.holder(of: $0)); " } ?? "")
                + "control: \(listener.path)"
        }
    }
}
