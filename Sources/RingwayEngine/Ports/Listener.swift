internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem

/// Host sockets of published ports. Each holds its port from publication to removal: it listens while there is a guest,
/// and otherwise stays bound and refuses clients.
enum Listener {
    /// The listen backlog.
    static var backlog: Int32 { 1_024 }

    /// The interface to which an inactive UDP socket is bound: no interface has this number, so the socket receives no
    /// datagram and clients are refused by ICMP, while the port stays taken.
    private static var noInterface: Int32 { .max }

    // MARK: TCP

    /// A TCP socket listening on `port` of `address`, or of all addresses of both families if it is `nil`.
    ///
    /// The socket has SO_REUSEADDR, so that ended connections on the port (TIME-WAIT) are no obstacle. If another
    /// process listens on the port, this fails nevertheless.
    static func stream(address: IPAddress?, port: UInt16) throws(SystemError) -> Int32 {
        let descriptor = try bound(
            type: SOCK_STREAM, address: address, port: port, reusesAddress: true)
        guard Glibc.listen(descriptor, backlog) == 0 else {
            let failure = SystemError("listen")
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    /// An inactive TCP socket: bound, so that others cannot use the port, and not listening, so that the kernel refuses
    /// clients.
    ///
    /// The socket must not have SO_REUSEADDR, because two sockets with that option may share a port while neither
    /// listens. If ended connections on the port make bind fail without the option, the socket is bound with it, and
    /// listens for a moment. A listening socket does not share its port, and `rest` clears the option before the
    /// socket stops listening.
    static func restingStream(address: IPAddress?, port: UInt16) throws(SystemError) -> Int32 {
        do throws(SystemError) {
            return try bound(type: SOCK_STREAM, address: address, port: port, reusesAddress: false)
        } catch {
            guard error.errno == EADDRINUSE else { throw error }
            let descriptor = try stream(address: address, port: port)
            rest(descriptor)
            return descriptor
        }
    }

    /// Makes an inactive TCP socket listen.
    static func listen(_ descriptor: Int32) throws(SystemError) {
        // Without SO_REUSEADDR, listen fails if earlier connections to the port still exist. It is then repeated with
        // the option. Another process could bind to the port only between the failed call and its repetition.
        var result = Glibc.listen(descriptor, backlog)
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if result != 0 { result = Glibc.listen(descriptor, backlog) }
        guard result == 0 else {
            let failure = SystemError("listen")
            rest(descriptor)
            throw failure
        }
    }

    /// Makes a TCP socket stop listening: it keeps its port, and the kernel refuses clients. Clients that have not
    /// been accepted yet are reset.
    static func rest(_ descriptor: Int32) {
        // The option is cleared first: while a socket has SO_REUSEADDR and does not listen, others can bind to its
        // port.
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 0)
        _ = shutdown(descriptor, Int32(SHUT_RD))
    }

    // MARK: UDP

    /// A UDP socket on `port` of `address`, or of all addresses, that reports the destination address of each datagram.
    static func datagram(address: IPAddress?, port: UInt16) throws(SystemError) -> Int32 {
        let descriptor = try bound(type: SOCK_DGRAM, address: address, port: port, reusesAddress: false)
        prepareDatagram(descriptor, address)
        return descriptor
    }

    /// An inactive UDP socket: others cannot use the port, and the kernel tells clients that it is unreachable.
    static func restingDatagram(address: IPAddress?, port: UInt16) throws(SystemError) -> Int32 {
        try bound(
            type: SOCK_DGRAM, address: address, port: port, reusesAddress: false, interface: noInterface)
    }

    /// Makes a UDP socket inactive.
    static func restDatagram(_ descriptor: Int32) throws(SystemError) {
        guard ringway_set_option(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX, noInterface) == 0 else {
            throw SystemError("setsockopt")
        }
        // Discards pending datagrams, which were for the previous guest.
        var byte: UInt8 = 0
        for _ in 0..<4_096 where recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT) | Int32(MSG_TRUNC)) < 0 {
            if errno == EAGAIN { return }
        }
    }

    /// Makes an inactive UDP socket receive again. Returns that socket, or another one that replaces it; the replaced
    /// socket is closed.
    ///
    /// An inactive socket is bound to an interface that does not exist, and only a process with CAP_NET_RAW may end
    /// that binding. Without CAP_NET_RAW, a second socket is opened on the port and the first is closed, so the port
    /// is never free in between. But while both sockets share it by SO_REUSEADDR, for about a microsecond, another
    /// process could also bind to it.
    static func wakeDatagram(
        _ resting: Int32, address: IPAddress?, port: UInt16
    ) throws(SystemError) -> Int32 {
        if ringway_set_option(resting, SOL_SOCKET, SO_BINDTOIFINDEX, 0) == 0 {
            prepareDatagram(resting, address)
            return resting
        }
        _ = ringway_set_option(resting, SOL_SOCKET, SO_REUSEADDR, 1)
        do throws(SystemError) {
            let descriptor = try bound(type: SOCK_DGRAM, address: address, port: port, reusesAddress: true)
            _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 0)
            close(resting)
            prepareDatagram(descriptor, address)
            return descriptor
        } catch {
            _ = ringway_set_option(resting, SOL_SOCKET, SO_REUSEADDR, 0)
            throw error
        }
    }

    private static func prepareDatagram(_ descriptor: Int32, _ address: IPAddress?) {
        _ = ringway_set_option(descriptor, Int32(IPPROTO_UDP), UDP_GRO, 1)
        for ipv4 in [false, true] where address == nil || address?.isIPv4 == ipv4 {
            _ = ringway_set_option(
                descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1)
            ringway_receive_marks(descriptor, ipv4, true)
            DatagramSocket.reportErrors(descriptor, ipv4: ipv4)
        }
    }

    // MARK: TCP and UDP

    private static func bound(
        type: __socket_type, address: IPAddress?, port: UInt16, reusesAddress: Bool, interface: Int32? = nil
    ) throws(SystemError) -> Int32 {
        let kind = Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let ipv4 = address?.isIPv4 ?? false
        var descriptor = socket(ipv4 ? AF_INET : AF_INET6, kind, 0)
        var wildcard = IPAddress(high: 0, low: 0)
        if descriptor < 0, address == nil, errno == EAFNOSUPPORT {
            // The host has no IPv6.
            descriptor = socket(AF_INET, kind, 0)
            wildcard = IPAddress(IPv4Address(rawValue: 0))
        }
        guard descriptor >= 0 else { throw SystemError("socket") }
        if reusesAddress { _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        if !ipv4, !wildcard.isIPv4 {
            _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address == nil ? 0 : 1)
        }
        var name = SocketAddress(TransportAddress(address: address ?? wildcard, port: port))
        let length = name.length
        var result = withUnsafeMutablePointer(to: &name) {
            bind(descriptor, SocketAddress.pointer(to: $0), length)
        }
        // The interface is set after bind: with it, bind would look for an IPv6 address on that interface and fail.
        if result == 0, let interface {
            result = ringway_set_option(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX, interface)
        }
        guard result == 0 else {
            let failure = SystemError("bind")
            close(descriptor)
            throw failure
        }
        return descriptor
    }
}
