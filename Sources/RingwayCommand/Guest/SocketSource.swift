internal import CRingway
internal import Glibc
internal import Ringway
internal import RingwayLinks

/// The process inside the guest that makes TCP sockets for the bridge, for connections that need no TAP.
///
/// Sockets belong to the namespace in which they are made, and an ordinary user's bridge may not go there any more; the
/// marks and addresses of these need privilege in it besides. So a sibling of COMMAND stays behind. It has nothing but
/// its ends of the pairs, and ends with them.
///
/// Each pair, one per shard, speaks as `GuestSockets` says.
struct SocketSource {
    /// The most sockets of one answer.
    private static var batch: Int { 64 }

    private let ends: [Int32]

    /// Starts the process. The caller has one thread, is in the guest's namespaces, and may go on at once: the routes
    /// that the sockets need are the process's own business. Without it connections go by the TAP.
    static func start(_ ends: [Int32], route: HostAddressRoute) {
        guard !ends.isEmpty else { return }
        if ringway_fork_sibling() == 0 { SocketSource(ends: ends).run(route) }
        for end in ends { close(end) }
    }

    private func run(_ route: HostAddressRoute) -> Never {
        _ = ringway_die_with_parent(SIGKILL)
        // Neither COMMAND's terminal nor its files, and no directory that somebody may want to unmount.
        _ = ringway_new_session()
        closeOthers()
        _ = chdir("/")
        ringway_name_thread("ringway-sockets")
        do throws(TapFailure) { try route.apply() } catch { _exit(ExitStatus.ownFailure) }
        serve()
        _exit(0)
    }

    private func closeOthers() {
        var next: UInt32 = 0
        for end in ends.map({ UInt32(bitPattern: $0) }).sorted() {
            if end > next { _ = ringway_close_range(next, end - 1) }
            next = end + 1
        }
        _ = ringway_close_range(next, .max)
    }

    /// Answers until every pair is closed.
    private func serve() {
        var entries = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while entries.contains(where: { $0.fd >= 0 }) {
            guard poll(&entries, nfds_t(entries.count), -1) > 0 else { continue }
            for index in entries.indices where entries[index].revents != 0 {
                if !answer(entries[index].fd) {
                    close(entries[index].fd)
                    entries[index].fd = -1
                }
            }
        }
    }

    /// Takes one request and answers it. False means that the other end is gone.
    private func answer(_ end: Int32) -> Bool {
        var request: (family: UInt8, count: UInt8) = (0, 0)
        guard recv(end, &request, 2, 0) == 2 else { return false }
        let isIPv4 = request.family == 4
        var sockets: [Int32] = []
        for _ in 0..<min(Int(request.count), Self.batch) {
            guard let socket = Self.makeSocket(ipv4: isIPv4) else { break }
            sockets.append(socket)
        }
        defer { for socket in sockets { close(socket) } }
        // Without a socket it is an answer too.
        return ringway_send_message(end, &request, 1, sockets, sockets.count) == 1
    }

    /// A socket that may have the host's address as its own, and whose packets are marked.
    private static func makeSocket(ipv4: Bool) -> Int32? {
        let descriptor = socket(
            ipv4 ? AF_INET : AF_INET6,
            Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        let isTransparent =
            ipv4
            ? ringway_set_option(descriptor, Int32(IPPROTO_IP), IP_TRANSPARENT, 1)
            : ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_TRANSPARENT, 1)
        guard isTransparent == 0,
            ringway_set_option(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: HostAddressRoute.mark)) == 0,
            ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) == 0
        else {
            close(descriptor)
            return nil
        }
        // A port that the kernel chooses is chosen at the connect, when the whole tuple is known.
        _ = ringway_set_option(descriptor, Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, 1)
        _ = ringway_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        return descriptor
    }
}
