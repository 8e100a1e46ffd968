internal import CRingway
internal import Glibc

/// Creates TCP sockets inside a guest's network namespace, for connections that bypass the link. Requests come
/// through socket pairs, one for each queue of the link, in the format of `GuestSockets`.
///
/// A socket belongs to the network namespace of the thread that creates it. So `answer` is called inside the guest's
/// namespace, with CAP_NET_ADMIN, which SO_MARK, IP_TRANSPARENT and the routing rule of `HostAddressRoute` need.
public final class SocketSource {
    /// The most sockets per reply.
    private static var batch: Int { 64 }

    private let route: HostAddressRoute

    /// A source of sockets that bind to the host's addresses by means of `route`.
    public init(_ route: HostAddressRoute) { self.route = route }

    /// The descriptors that this object has open.
    public var descriptors: [Int32] { route.descriptors }

    /// Receives one request on `end`, this side of a socket pair, and replies with the sockets that could be created.
    ///
    /// - Returns: false if receiving or sending fails, as when the other end is closed.
    public func answer(_ end: Int32) -> Bool {
        var request: (family: UInt8, count: UInt8) = (0, 0)
        guard recv(end, &request, 2, 0) == 2 else { return false }
        var sockets: [Int32] = []
        if route.establish(ipv4: request.family == 4) {
            for _ in 0..<min(Int(request.count), Self.batch) {
                guard let socket = makeSocket(ipv4: request.family == 4) else { break }
                sockets.append(socket)
            }
        }
        defer { for socket in sockets { close(socket) } }
        // The reply is sent even without sockets, because the other side waits for it.
        return ringway_send_message(end, &request, 1, sockets, sockets.count) == 1
    }

    /// Receives one request on `end`, and replies without sockets.
    ///
    /// - Returns: false if receiving or sending fails, as when the other end is closed.
    public static func decline(_ end: Int32) -> Bool {
        var request: (family: UInt8, count: UInt8) = (0, 0)
        guard recv(end, &request, 2, 0) == 2 else { return false }
        return ringway_send_message(end, &request, 1, nil, 0) == 1
    }

    /// Removes the routing rules and routes of the sockets, unless the namespace was created for the guest.
    public func end() { route.undo() }

    /// A socket that may bind to the host's address, and whose packets are marked.
    private func makeSocket(ipv4: Bool) -> Int32? {
        let descriptor = socket(
            ipv4 ? AF_INET : AF_INET6,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let isTransparent =
            ipv4
            ? ringway_set_option(descriptor, Int32(IPPROTO_IP), IP_TRANSPARENT, 1)
            : ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_TRANSPARENT, 1)
        guard isTransparent == 0,
            ringway_set_option(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: route.mark)) == 0,
            ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) == 0
        else {
            close(descriptor)
            return nil
        }
        // With this option, the port of a socket that is bound to port 0 is chosen only at connect, when the kernel
        // knows both addresses.
        _ = ringway_set_option(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
        _ = ringway_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        return descriptor
    }
}
