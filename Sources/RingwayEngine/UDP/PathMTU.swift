internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem

/// The path MTU from the host to a destination.
enum PathMTU {
    /// The kernel's value, which comes from the route, the device or the reports of routers; `nil` if it is unknown,
    /// for example without a route. The query costs at least four system calls, so it is made only after errors.
    ///
    /// - Parameter source: the host's source address; `nil` for the kernel's choice.
    static func toward(_ destination: TransportAddress, from source: IPAddress? = nil) -> UInt32? {
        let ipv4 = destination.address.isIPv4
        let descriptor = Endpoint.open(family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_DGRAM.rawValue))
        guard descriptor >= 0 else { return nil }
        defer { Endpoint.close(descriptor, reset: false) }
        if let source, source.isIPv4 == ipv4 {
            _ = named(TransportAddress(address: source, port: 0)) { HostCalls.bind(descriptor, $0, $1) }
        }
        // The port does not affect the path, but zero is invalid.
        let target = TransportAddress(address: destination.address, port: max(1, destination.port))
        guard named(target, { HostCalls.connect(descriptor, $0, $1) }) == 0 else { return nil }
        let mtu = HostCalls.option(
            descriptor, Int32(ipv4 ? Int(IPPROTO_IP) : Int(IPPROTO_IPV6)), ipv4 ? IP_MTU : IPV6_MTU)
        return mtu > 0 ? UInt32(mtu) : nil
    }

    private static func named(
        _ address: TransportAddress, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) -> Int32 {
        var name = SocketAddress(address)
        let length = name.length
        return withUnsafeMutablePointer(to: &name) { call(SocketAddress.pointer(to: $0), length) }
    }
}
