/// A Linux capability that a program of Ringway may keep, by its number (capabilities(7)).
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
    case setClock = 25

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
        case .setClock: "CAP_SYS_TIME"
        }
    }

    /// The capabilities as a bit mask, in which bit N stands for capability N.
    static func mask(_ set: some Sequence<Capability>) -> UInt64 { set.reduce(0) { $0 | 1 << $1.rawValue } }
}
