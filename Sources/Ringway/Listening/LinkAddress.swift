internal import CRingway
public import RingwayModel
internal import RingwayTap
internal import RingwayUsage

/// The address of a listener for guests, such as `qemu:/run/vm.sock`.
public enum LinkAddress: Hashable, Sendable, CustomStringConvertible {
    /// A unix socket for QEMU's `-netdev stream`; each connection is a guest.
    case qemu(path: String)
    /// A unix socket for QEMU's `-netdev dgram`, one guest at a time.
    case qemuDatagram(path: String)
    /// A unix socket for VPNKit's protocol; each connection is a guest.
    case vpnkit(path: String)
    /// A TAP device in the caller's network namespace, created unless it exists.
    case tap(name: String)
    /// A unix socket for agents in other network namespaces, or behind the vsock of a virtual machine monitor such as
    /// Firecracker or cloud-hypervisor. When a guest dials a vsock port, the monitor connects to the unix socket
    /// `PATH_PORT`: the path of the monitor's own socket, an underscore and the port.
    case agent(path: String)
    /// A vsock port for agents.
    case agentPort(UInt32)
    /// The unix socket through which Firecracker or cloud-hypervisor lets the host connect to an agent that listens
    /// on a vsock port.
    case agentMonitor(path: String, port: UInt32)
    /// Inherited descriptors: the queues of one TAP device, or one socket, connected or listening. The framing
    /// applies to stream sockets.
    case inherited([Int32], framing: StreamFraming)

    /// A TAP device by its queues, which are adopted. They must be opened with IFF_TAP, IFF_NO_PI and IFF_VNET_HDR, in
    /// any network namespace. The guest is the device's interface, identified by its ethernet address.
    public static func tap(queues: [Int32]) -> LinkAddress { .inherited(queues, framing: .qemu) }

    /// A socket, which is adopted. A connected stream socket is one guest, with this framing. If the socket is
    /// listening, each connection is a guest. On a datagram socket each datagram is a frame, and the framing is
    /// ignored.
    public static func socket(_ descriptor: Int32, framing: StreamFraming = .qemu) -> LinkAddress {
        .inherited([descriptor], framing: framing)
    }

    /// Whether the address is for agents. At any other address, connections or devices carry frames without an agent.
    public var isOfAgents: Bool {
        switch self {
        case .agent, .agentPort, .agentMonitor: true
        case .qemu, .qemuDatagram, .vpnkit, .tap, .inherited: false
        }
    }

    private static let kinds: [(name: String, argument: String)] = [
        ("qemu", "PATH"), ("qemu-dgram", "PATH"), ("vpnkit", "PATH"), ("unix", "PATH"), ("vsock", "PORT"),
        ("hybrid", "PORT:PATH"), ("tap", "NAME"), ("fd", "N[,N...]"),
    ]

    /// The accepted syntax, for help and errors.
    public static let forms: String = {
        let forms = kinds.map { "\($0.name):\($0.argument)" }
        return forms.dropLast().joined(separator: ", ") + " or " + forms[forms.count - 1]
    }()

    /// Reads one of `forms`.
    public init(_ text: String) throws(VirtualNetwork.Failure) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let kind = Self.kinds.first(where: { $0.name == parts[0] }) else {
            let question = Suggestion.question(parts[0], among: Self.kinds.map(\.name))
            throw VirtualNetwork.Failure(
                "unknown kind of link \"\(parts[0])\"\(question.isEmpty ? "; use one of \(Self.forms)" : question)")
        }
        guard parts.count == 2, !parts[1].isEmpty else {
            throw VirtualNetwork.Failure("\(kind.argument) is missing; use \(kind.name):\(kind.argument)")
        }
        let rest = parts[1]
        switch parts[0] {
        case "qemu": self = .qemu(path: try Self.path(rest))
        case "qemu-dgram": self = .qemuDatagram(path: try Self.path(rest))
        case "vpnkit": self = .vpnkit(path: try Self.path(rest))
        case "tap":
            guard TapDevice.isInterfaceName(rest), rest != "lo" else {
                throw VirtualNetwork.Failure(
                    "\"\(rest)\" is not an interface's name, which has 1 to 15 characters, none of them blank, \"/\", \":\" "
                        + "or \"%\"; use tap:NAME")
            }
            self = .tap(name: rest)
        case "unix": self = .agent(path: try Self.path(rest))
        case "vsock": self = .agentPort(try Self.port(rest))
        case "hybrid":
            let halves = rest.split(separator: ":", maxSplits: 1).map(String.init)
            guard halves.count == 2 else {
                throw VirtualNetwork.Failure(
                    "\"\(rest)\" is not the agent's port and the monitor's socket; use hybrid:1024:/run/vm.vsock, say")
            }
            self = .agentMonitor(path: try Self.path(halves[1]), port: try Self.port(halves[0]))
        // `fd` is the only remaining kind.
        default: self = .inherited(try Self.descriptors(rest), framing: .qemu)
        }
    }

    /// The most bytes of a socket's path, without the terminating NUL (unix(7)).
    private static var longestPath: Int { 107 }

    private static func path(_ text: String) throws(VirtualNetwork.Failure) -> String {
        let length = ringway_text_length(text)
        guard length <= longestPath else {
            throw VirtualNetwork.Failure(
                "the path of a socket has 1 to \(longestPath) bytes; \"\(text)\" has \(length)")
        }
        return text
    }

    private static func port(_ text: String) throws(VirtualNetwork.Failure) -> UInt32 {
        // The highest value means any port (vsock(7)).
        guard let port = UInt32(digits: text), port < .max else {
            throw VirtualNetwork.Failure("\"\(text)\" is not a port of a vsock; use a number below \(UInt32.max)")
        }
        return port
    }

    private static func descriptors(_ text: String) throws(VirtualNetwork.Failure) -> [Int32] {
        var numbers: [Int32] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int32(digits: part) else {
                throw VirtualNetwork.Failure("\"\(part)\" is not the number of a descriptor; use fd:3, say")
            }
            guard !numbers.contains(number) else { throw VirtualNetwork.Failure("descriptor \(number) is named twice") }
            numbers.append(number)
        }
        return numbers
    }

    /// In the format that `init` reads.
    public var description: String {
        switch self {
        case .qemu(let path): "qemu:\(path)"
        case .qemuDatagram(let path): "qemu-dgram:\(path)"
        case .vpnkit(let path): "vpnkit:\(path)"
        case .agent(let path): "unix:\(path)"
        case .agentPort(let port): "vsock:\(port)"
        case .agentMonitor(let path, let port): "hybrid:\(port):\(path)"
        case .tap(let name): "tap:\(name)"
        case .inherited(let descriptors, _): "fd:" + descriptors.map(String.init).joined(separator: ",")
        }
    }
}
