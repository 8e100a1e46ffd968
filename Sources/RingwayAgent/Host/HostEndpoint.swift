internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem
internal import RingwayUsage

/// The address of the host.
enum HostEndpoint: Hashable, Sendable {
    /// A port of AF_VSOCK; the host has CID 2.
    case vsock(cid: UInt32, port: UInt32)
    /// A unix socket: the host is in another namespace of the same machine.
    case unix(path: String)

    /// Reads `vsock:CID:PORT` or `unix:PATH`.
    init?(_ text: String) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty, path.utf8.count <= 107 else { return nil }
            self = .unix(path: path)
            return
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "vsock", let cid = UInt32(digits: parts[1]),
            let port = UInt32(digits: parts[2])
        else { return nil }
        self = .vsock(cid: cid, port: port)
    }

    /// Why a text is not an endpoint, and the valid formats.
    static func complaint(_ text: String) -> String {
        let kind = String(text.prefix { $0 != ":" })
        switch kind {
        case "vsock": return "a vsock has two numbers; use vsock:CID:PORT, where CID 2 is the host"
        case "unix": return "the path of a socket has 1 to 107 bytes; use unix:PATH"
        default:
            let question = Suggestion.question(kind, among: ["vsock", "unix"])
            return
                "unknown kind of host \"\(kind)\"\(question.isEmpty ? "; use vsock:CID:PORT or unix:PATH" : question)"
        }
    }

    /// A blocking socket that is connected to the host.
    func connect() throws(AgentFailure) -> OwnedDescriptor {
        let opened: Int32
        switch self {
        case .vsock: opened = ringway_vsock_open()
        case .unix: opened = ringway_unix_open()
        }
        guard let socket = OwnedDescriptor(result: opened) else {
            throw AgentFailure(cannot: "make a socket for \(self)")
        }
        // Neither an unresponsive host nor one with a full queue may block the agent forever.
        _ = ringway_set_timeout(socket.rawValue, Self.timeout)
        let result: Int32
        switch self {
        case .vsock(let cid, let port): result = ringway_vsock_connect(socket.rawValue, cid, port)
        case .unix(let path): result = ringway_unix_connect(socket.rawValue, path, path.utf8.count)
        }
        guard result == 0 else { throw AgentFailure(cannot: "connect to \(self)") }
        return socket
    }

    /// Whether the peer of a connection is the host; on a unix socket, every peer counts as the host. A program in
    /// the guest, or another machine, must not receive the token or dial servers in the guest.
    func isHost(_ descriptor: Int32) -> Bool {
        switch self {
        case .vsock(let cid, _): VsockPeers([cid]).admits(ringway_vsock_peer(descriptor), own: ringway_vsock_local())
        case .unix: true
        }
    }

    /// Timeout of a connect and of the reply to a hello, in milliseconds.
    static var timeout: UInt32 { 5_000 }
}

extension HostEndpoint: CustomStringConvertible {
    var description: String {
        switch self {
        case .vsock(let cid, let port): "vsock:\(cid):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}
