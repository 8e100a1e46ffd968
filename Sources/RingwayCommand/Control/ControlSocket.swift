internal import Glibc
internal import Ringway
internal import RingwayControl

/// The control socket that a network has, or the reason that it has none.
enum ControlSocket {
    /// None is wanted.
    case none
    /// None could be made, though one was wanted wherever there is a place for it.
    case missing(reason: String)
    /// It listens. `wanted` is the name that the network was to have, where that is taken.
    case listening(ControlListener, name: String, wanted: String?)

    /// Makes the socket. It is a failure when the path or name that the user gave cannot be had.
    ///
    /// - Parameter name: the network's own name, where the order gives no other.
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

    /// The process that has a taken name, where that can be seen.
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

    /// The message about it when the network is up; `nil` for none.
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
