internal import Glibc

/// The identity of a network at its control socket.
public struct ControlIdentity: Sendable {
    /// The command that runs the network.
    public enum Kind: String, Sendable {
        case run, attach, serve
    }

    public let name: String
    public let kind: Kind
    /// What the network is for: a command, a namespace or links.
    public let target: String
    /// The version of the program.
    public let version: String
    /// Seconds since the epoch at which the network was started.
    let startTime: Int
    private let started = ContinuousClock.now

    public init(name: String, kind: Kind, target: String, version: String) {
        self.name = name
        self.kind = kind
        self.target = target
        self.version = version
        startTime = time(nil)
    }

    /// Whole seconds since the network was started.
    var uptime: Int { Int((ContinuousClock.now - started).components.seconds) }
}
