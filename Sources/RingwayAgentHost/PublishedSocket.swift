internal import CRingway
internal import Glibc
public import RingwayAgentProtocol
public import RingwayModel
public import RingwaySystem

/// Sockets of the host for ports that agents request.
public enum PublishedSocket {
    private static var backlog: Int32 { 1_024 }

    /// Opens a TCP listener or a bound UDP socket. An unspecified address stands for its own family only.
    ///
    /// - Returns: the socket, which the caller owns, and its port, which the kernel chooses if port 0 is requested.
    public static func open(_ request: PublishRequest) throws(Refusal) -> (descriptor: Int32, port: UInt16) {
        let isStream = request.transport == .tcp
        let socket = try bound(request.host, isStream: isStream)
        if isStream {
            guard listen(socket.rawValue, backlog) == 0 else { throw Refusal(errorNumber: errno) }
        } else {
            // SO_REUSEPORT allows each client's own socket to bind to this port, too. It is set after the bind, so
            // that the bind fails if another program has the port.
            _ = ringway_set_option(socket.rawValue, SOL_SOCKET, SO_REUSEPORT, 1)
            DatagramForward.prepare(socket.rawValue, ipv4: request.host.address.isIPv4)
        }
        guard request.host.port == 0 else { return (socket.take(), request.host.port) }
        guard let name = SocketAddress.local(of: socket.rawValue) else { throw Refusal(errorNumber: errno) }
        return (socket.take(), name.port)
    }

    /// A bound socket that does not listen.
    public static func bound(_ address: TransportAddress, isStream: Bool) throws(Refusal) -> OwnedDescriptor {
        let kind = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard
            let socket = OwnedDescriptor(
                result: Glibc.socket(SocketAddress.family(of: address.address), kind | flags, 0))
        else { throw Refusal(errorNumber: errno) }
        if isStream { _ = ringway_set_option(socket.rawValue, SOL_SOCKET, SO_REUSEADDR, 1) }
        if !address.address.isIPv4 {
            _ = ringway_set_option(socket.rawValue, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
        }
        let error = SocketAddress.bind(socket.rawValue, to: address)
        guard error == 0 else { throw Refusal(errorNumber: error) }
        return socket
    }
}
