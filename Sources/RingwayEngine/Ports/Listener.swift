internal import CRingway
internal import Glibc
internal import RingwayModel

/// Host sockets of published ports. Each has its port from when the port is published until it no longer is: it listens
/// while there is a guest to lead to, and otherwise refuses without giving the port up.
enum Listener {
    /// Pending connections that the kernel keeps for us.
    static var backlog: Int32 { 1_024 }

    /// The interface that a UDP socket at rest is bound to: none has the number, so that no datagram is for the socket
    /// and clients are refused by ICMP, while the port is taken for every interface.
    private static var noInterface: Int32 { .max }

    // MARK: TCP

    /// A TCP socket that listens on `port` of `address`, or of every address of both families when it is `nil`.
    ///
    /// With SO_REUSEADDR, so that ended connections on the port (TIME-WAIT) do not stand in the way; a port that another
    /// process listens on is an error even so.
    static func stream(address: IPAddress?, port: UInt16) throws(HostFailure) -> Int32 {
        let descriptor = try bound(
            type: SOCK_STREAM, address: address, port: port, reusesAddress: true)
        guard Glibc.listen(descriptor, backlog) == 0 else {
            let failure = HostFailure("listen", errno: errno)
            close(descriptor)
            throw failure
        }
        return descriptor
    }

    /// The same at rest: bound, so that others cannot have the port, and not listening, so that the kernel refuses
    /// clients.
    ///
    /// Without SO_REUSEADDR, because two sockets with it may share a port while neither listens. Ended connections on the
    /// port do not allow that; then the socket listens for a moment, which has the kernel forget that it was bound so.
    static func restingStream(address: IPAddress?, port: UInt16) throws(HostFailure) -> Int32 {
        do throws(HostFailure) {
            return try bound(type: SOCK_STREAM, address: address, port: port, reusesAddress: false)
        } catch {
            guard error.errno == EADDRINUSE else { throw error }
            let descriptor = try stream(address: address, port: port)
            rest(descriptor)
            return descriptor
        }
    }

    /// Has a TCP socket at rest listen.
    static func listen(_ descriptor: Int32) throws(HostFailure) {
        // The connections it has accepted earlier, and those that have ended, share its port: only where there are some, and
        // for as short as can be, another socket could be bound beside.
        var result = Glibc.listen(descriptor, backlog)
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if result != 0 { result = Glibc.listen(descriptor, backlog) }
        guard result == 0 else {
            let failure = HostFailure("listen", errno: errno)
            rest(descriptor)
            throw failure
        }
    }

    /// Has a TCP socket listen no longer: it keeps its port, and the kernel refuses clients. Those that have not been
    /// accepted are reset.
    static func rest(_ descriptor: Int32) {
        // In this order: a socket that does not listen and may be bound beside is one that others bind beside.
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 0)
        _ = shutdown(descriptor, Int32(SHUT_RD))
    }

    // MARK: UDP

    /// A UDP socket on `port` of `address`, or of every address, that tells which of them a datagram came to.
    static func datagram(address: IPAddress?, port: UInt16) throws(HostFailure) -> Int32 {
        let descriptor = try bound(type: SOCK_DGRAM, address: address, port: port, reusesAddress: false)
        prepareDatagram(descriptor, address)
        return descriptor
    }

    /// The same at rest: others cannot have the port, and the kernel tells clients that it is unreachable.
    static func restingDatagram(address: IPAddress?, port: UInt16) throws(HostFailure) -> Int32 {
        try bound(
            type: SOCK_DGRAM, address: address, port: port, reusesAddress: false, interface: noInterface)
    }

    /// Has a UDP socket receive nothing any more.
    static func restDatagram(_ descriptor: Int32) throws(HostFailure) {
        guard ringway_set_option(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX, noInterface) == 0 else {
            throw HostFailure("setsockopt", errno: errno)
        }
        // What has come already is for a guest that has gone.
        var byte: UInt8 = 0
        for _ in 0..<4_096 where recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT) | Int32(MSG_TRUNC)) < 0 {
            if errno == EAGAIN { return }
        }
    }

    /// Has a UDP socket at rest receive again: the same one, or one that takes its place, and the other is closed.
    ///
    /// What an ordinary user has bound to an interface stays bound to it. The port is not free then either, but for the
    /// microsecond in which two sockets share it, a third one could.
    static func wakeDatagram(
        _ resting: Int32, address: IPAddress?, port: UInt16
    ) throws(HostFailure) -> Int32 {
        if ringway_set_option(resting, SOL_SOCKET, SO_BINDTOIFINDEX, 0) == 0 {
            prepareDatagram(resting, address)
            return resting
        }
        _ = ringway_set_option(resting, SOL_SOCKET, SO_REUSEADDR, 1)
        do throws(HostFailure) {
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
            ringway_receive_marks(descriptor, ipv4)
            DatagramSocket.reportErrors(descriptor, ipv4: ipv4)
        }
    }

    // MARK: Both

    private static func bound(
        type: __socket_type, address: IPAddress?, port: UInt16, reusesAddress: Bool, interface: Int32? = nil
    ) throws(HostFailure) -> Int32 {
        let kind = Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let ipv4 = address?.isIPv4 ?? false
        var descriptor = socket(ipv4 ? AF_INET : AF_INET6, kind, 0)
        var wildcard = IPAddress(high: 0, low: 0)
        if descriptor < 0, address == nil, errno == EAFNOSUPPORT {
            // A host without IPv6.
            descriptor = socket(AF_INET, kind, 0)
            wildcard = IPAddress(IPv4Address(rawValue: 0))
        }
        guard descriptor >= 0 else { throw HostFailure("socket", errno: errno) }
        if reusesAddress { _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        if !ipv4, !wildcard.isIPv4 {
            _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address == nil ? 0 : 1)
        }
        var name = SocketAddress(TransportAddress(address: address ?? wildcard, port: port))
        let length = name.length
        var result = withUnsafeMutablePointer(to: &name) {
            bind(descriptor, SocketAddress.pointer(to: $0), length)
        }
        // Only now: an address of IPv6 is looked for on the interface.
        if result == 0, let interface {
            result = ringway_set_option(descriptor, SOL_SOCKET, SO_BINDTOIFINDEX, interface)
        }
        guard result == 0 else {
            let failure = HostFailure("bind", errno: errno)
            close(descriptor)
            throw failure
        }
        return descriptor
    }
}
