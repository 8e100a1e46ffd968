public import RingwayLinks

/// Where a network waits for guests, in words: `qemu:/run/vm.sock`.
public enum LinkAddress: Hashable, Sendable, CustomStringConvertible {
    /// A unix socket for QEMU's `-netdev stream`; each connection is a guest.
    case qemu(path: String)
    /// A unix socket for QEMU's `-netdev dgram`, one guest at a time.
    case qemuDatagram(path: String)
    /// A unix socket that speaks VPNKit's protocol; each connection is a guest.
    case vpnkit(path: String)
    /// A TAP device in the network namespace of the caller, which is made unless it exists.
    case tap(name: String)
    /// Descriptors that the process has been given: the queues of one TAP, or one socket, connected or listening, whose
    /// octets have the framing.
    case inherited([Int32], framing: StreamFraming)

    /// What can be written, for help and errors.
    public static let forms = "qemu:PATH, qemu-dgram:PATH, vpnkit:PATH, tap:NAME or fd:N[,N...]"

    /// Reads one of `forms`.
    public init(_ text: String) throws(VirtualNetwork.Failure) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[1].isEmpty else {
            throw VirtualNetwork.Failure("\"\(text)\" is no link: it is one of \(Self.forms)")
        }
        let rest = parts[1]
        switch parts[0] {
        case "qemu": self = .qemu(path: try Self.path(rest))
        case "qemu-dgram": self = .qemuDatagram(path: try Self.path(rest))
        case "vpnkit": self = .vpnkit(path: try Self.path(rest))
        case "tap":
            guard TapDevice.isInterfaceName(rest), rest != "lo" else {
                throw VirtualNetwork.Failure(
                    "\"\(rest)\" is no interface's name: it has 1 to 15 characters, none of them blank, \"/\", \":\" or "
                        + "\"%\"")
            }
            self = .tap(name: rest)
        case "fd": self = .inherited(try Self.descriptors(rest), framing: .qemu)
        default:
            throw VirtualNetwork.Failure("\"\(parts[0])\" is no kind of link: it is one of \(Self.forms)")
        }
    }

    /// Octets of a socket's path, without the final zero (unix(7)).
    private static var longestPath: Int { 107 }

    private static func path(_ text: String) throws(VirtualNetwork.Failure) -> String {
        guard text.utf8.count <= longestPath else {
            throw VirtualNetwork.Failure(
                "the path of a socket has at the most \(longestPath) octets, and \"\(text)\" has \(text.utf8.count)")
        }
        return text
    }

    private static func descriptors(_ text: String) throws(VirtualNetwork.Failure) -> [Int32] {
        var numbers: [Int32] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let number = Int32(part), number >= 0, part.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
                throw VirtualNetwork.Failure("\"\(part)\" is not the number of a descriptor")
            }
            guard !numbers.contains(number) else { throw VirtualNetwork.Failure("descriptor \(number) is named twice") }
            numbers.append(number)
        }
        return numbers
    }

    /// As `init` reads it.
    public var description: String {
        switch self {
        case .qemu(let path): "qemu:\(path)"
        case .qemuDatagram(let path): "qemu-dgram:\(path)"
        case .vpnkit(let path): "vpnkit:\(path)"
        case .tap(let name): "tap:\(name)"
        case .inherited(let descriptors, _): "fd:" + descriptors.map(String.init).joined(separator: ",")
        }
    }
}
