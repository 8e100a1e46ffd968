internal import CRingway
internal import Glibc
public import RingwayWire

/// Host sockets that wait for clients of published ports.
public enum Listener {
    /// Pending connections that the kernel keeps for us.
    static var backlog: Int32 { 1_024 }

    /// Listens on TCP `port` of `address`, or of every address of both families when it is `nil`.
    ///
    /// One socket for each shard shares the port (SO_REUSEPORT). The first is bound without that option, so that a port
    /// which another process holds, be it our own twin, is an error and not a theft.
    /// - Returns: `count` descriptors.
    public static func stream(address: IPAddress?, port: UInt16, count: Int) throws(HostFailure) -> [Int32] {
        var opened: [Int32] = []
        do throws(HostFailure) {
            for index in 0..<count {
                let descriptor = try bound(
                    type: Int32(SOCK_STREAM.rawValue), address: address, port: port, isFirst: index == 0,
                    isShared: count > 1)
                opened.append(descriptor)
            }
            for descriptor in opened where Glibc.listen(descriptor, backlog) != 0 {
                throw HostFailure("listen", errno: errno)
            }
        } catch {
            for descriptor in opened { close(descriptor) }
            throw error
        }
        return opened
    }

    /// A TCP socket that is bound to `port` and does not listen: clients are refused, and others cannot have the port.
    ///
    /// Without SO_REUSEADDR, because two sockets with it may share a port while neither listens. Where connections that have
    /// ended forbid that (TIME-WAIT), with it: better a port that others might take than none.
    public static func reserve(address: IPAddress?, port: UInt16) throws(HostFailure) -> Int32 {
        let type = Int32(SOCK_STREAM.rawValue)
        do throws(HostFailure) {
            return try bound(type: type, address: address, port: port, isFirst: true, reusesAddress: false)
        } catch {
            guard error.errno == EADDRINUSE else { throw error }
            return try bound(type: type, address: address, port: port, isFirst: true)
        }
    }

    /// A UDP socket on `port` of `address`, or of every address, that tells which of them a datagram came to.
    public static func datagram(address: IPAddress?, port: UInt16) throws(HostFailure) -> Int32 {
        let descriptor = try bound(type: Int32(SOCK_DGRAM.rawValue), address: address, port: port, isFirst: true)
        _ = ringway_set_option(descriptor, Int32(IPPROTO_UDP), UDP_GRO, 1)
        for ipv4 in [false, true] where address == nil || address?.isIPv4 == ipv4 {
            _ = ringway_set_option(
                descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1)
            ringway_receive_marks(descriptor, ipv4)
            DatagramSocket.reportErrors(descriptor, ipv4: ipv4)
        }
        return descriptor
    }

    private static func bound(
        type: Int32, address: IPAddress?, port: UInt16, isFirst: Bool, isShared: Bool = false,
        reusesAddress: Bool = true
    ) throws(HostFailure) -> Int32 {
        let flags = Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let ipv4 = address?.isIPv4 ?? false
        var descriptor = socket(ipv4 ? AF_INET : AF_INET6, type | flags, 0)
        var wildcard = IPAddress(high: 0, low: 0)
        if descriptor < 0, address == nil, errno == EAFNOSUPPORT {
            // A host without IPv6.
            descriptor = socket(AF_INET, type | flags, 0)
            wildcard = IPAddress(IPv4Address(rawValue: 0))
        }
        guard descriptor >= 0 else { throw HostFailure("socket", errno: errno) }
        let isStream = type == Int32(SOCK_STREAM.rawValue)
        if isStream, reusesAddress { _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) }
        if !ipv4, !wildcard.isIPv4 {
            _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address == nil ? 0 : 1)
        }
        if !isFirst { _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        var name = SocketAddress(TransportAddress(address: address ?? wildcard, port: port))
        let length = name.length
        let result = withUnsafeMutablePointer(to: &name) {
            bind(descriptor, SocketAddress.pointer(to: $0), length)
        }
        guard result == 0 else {
            let failure = HostFailure("bind", errno: errno)
            close(descriptor)
            throw failure
        }
        // From here on our own other sockets may join.
        if isFirst, isShared { _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) }
        return descriptor
    }
}
