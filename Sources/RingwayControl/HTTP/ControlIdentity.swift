internal import Glibc

/// What a control socket tells clients about its network and process.
public struct ControlIdentity: Sendable {
    /// The command that runs the network.
    public enum Kind: String, Sendable {
        case run, attach, serve
    }

    public let name: String
    public let kind: Kind
    /// What the network serves: a command, a namespace or links.
    public let target: String
    /// The version of the program.
    public let version: String
    /// The sandbox of the process.
    public let sandbox: SandboxState
    /// Seconds since the epoch at which the network was started.
    let startTime: Int
    private let started = ContinuousClock.now

    public init(name: String, kind: Kind, target: String, version: String, sandbox: SandboxState = .off) {
        self.name = name
        self.sandbox = sandbox
        self.kind = kind
        self.target = target
        self.version = version
        startTime = time(nil)
    }

    /// Whether the executable file of this process was removed or replaced. Only this process can tell: other
    /// processes of the user may not trace it, and so cannot read its `/proc/PID/exe`.
    var isReplaced: Bool {
        var target = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let length = readlink("/proc/self/exe", &target, target.count)
        return length > 0 && String(decoding: target.prefix(length), as: UTF8.self).hasSuffix("/ringway (deleted)")
    }

    /// Whole seconds since the network was started.
    var uptime: Int { Int((ContinuousClock.now - started).components.seconds) }
}
