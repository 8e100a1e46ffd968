/// A Linux capability that Ringway may keep, by its number (capabilities(7)).
public enum Capability: UInt64, Sendable, CaseIterable {
    case overrideFilePermissions = 1
    case readFiles = 2
    case actAsFileOwner = 3
    case signalProcesses = 5
    case bindPrivilegedPorts = 10
    case administerNetwork = 12
    case openRawSockets = 13
    case readProcesses = 19
    case enterNamespaces = 21

    /// The kernel's name.
    public var name: String {
        switch self {
        case .overrideFilePermissions: "CAP_DAC_OVERRIDE"
        case .readFiles: "CAP_DAC_READ_SEARCH"
        case .actAsFileOwner: "CAP_FOWNER"
        case .signalProcesses: "CAP_KILL"
        case .bindPrivilegedPorts: "CAP_NET_BIND_SERVICE"
        case .administerNetwork: "CAP_NET_ADMIN"
        case .openRawSockets: "CAP_NET_RAW"
        case .readProcesses: "CAP_SYS_PTRACE"
        case .enterNamespaces: "CAP_SYS_ADMIN"
        }
    }

    /// What Ringway needs the capability for.
    public var reason: String {
        switch self {
        case .overrideFilePermissions, .readFiles, .actAsFileOwner:
            "files that the user names: configuration, state, statistics, capture, sockets"
        case .signalProcesses: "signals of the terminal for COMMAND, which may have become another user"
        case .bindPrivilegedPorts: "published ports below 1024"
        case .administerNetwork: "interfaces of links \"tap:\", and marks and routing rules in their namespaces"
        case .openRawSockets:
            "pings where net.ipv4.ping_group_range excludes the user, and refusals of published UDP ports"
        case .readProcesses: "the name of the process that holds a port which cannot be published"
        case .enterNamespaces: "sockets in the network namespace of a TAP's interface"
        }
    }

    /// The capabilities as a bit mask, in which bit N stands for capability N.
    static func mask(_ set: [Capability]) -> UInt64 { set.reduce(0) { $0 | 1 << $1.rawValue } }

    /// What the process keeps of what it has. An ordinary user's process usually has none.
    public static let process = allCases
    /// The capabilities that a shard's thread keeps.
    public static let shard: [Capability] = [.bindPrivilegedPorts, .openRawSockets]
}
