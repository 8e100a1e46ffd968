internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwaySystem

/// Connects to servers in the guest.
enum Dialer {
    /// The result of a dial.
    enum Outcome {
        case connected(Int32)
        case connecting(Int32)
        /// The server's listen queue is full. On a non-blocking unix socket, connect(2) then fails with EAGAIN.
        case busy
        case refused(Refusal)
    }

    /// Starts a connect without waiting.
    static func dial(_ target: DialTarget) -> Outcome {
        let kind: Int32
        let family: Int32
        switch target.endpoint {
        case .tcp(let address):
            kind = Int32(SOCK_STREAM.rawValue)
            family = SocketAddress.family(of: address.address)
        case .udp(let address):
            kind = Int32(SOCK_DGRAM.rawValue)
            family = SocketAddress.family(of: address.address)
        case .unix:
            kind = Int32(SOCK_STREAM.rawValue)
            family = AF_UNIX
        }
        let opened = NamespaceSocket.open(target.namespace, family: family, kind: kind)
        guard case .success(let descriptor) = opened else {
            guard case .failure(let refusal) = opened else { return .busy }
            return .refused(refusal)
        }
        let error = connect(descriptor, to: target.endpoint)
        switch error {
        case 0: return .connected(descriptor)
        case EINPROGRESS: return .connecting(descriptor)
        case EAGAIN:
            close(descriptor)
            return .busy
        default:
            close(descriptor)
            return .refused(Refusal(errorNumber: error))
        }
    }

    private static func connect(_ descriptor: Int32, to endpoint: DialTarget.Endpoint) -> Int32 {
        switch endpoint {
        case .unix(let path):
            return ringway_unix_connect(descriptor, path, path.utf8.count) == 0 ? 0 : errno
        case .tcp(let address), .udp(let address):
            if case .tcp = endpoint {
                _ = ringway_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
                _ = ringway_set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
            }
            return SocketAddress.connect(descriptor, to: address)
        }
    }

    /// The state of a connect: zero if it has succeeded, EINPROGRESS while it is in progress, otherwise its error.
    static func connectError(_ descriptor: Int32) -> Int32 {
        var name = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let connected = withUnsafeMutablePointer(to: &name) {
            getpeername(descriptor, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self), &length)
        }
        if connected == 0 { return 0 }
        let error = ringway_socket_error(descriptor)
        return error == 0 ? EINPROGRESS : error
    }
}
