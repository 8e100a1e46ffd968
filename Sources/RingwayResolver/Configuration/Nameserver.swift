internal import Glibc
internal import RingwayModel

/// A nameserver in `resolv.conf` format: an address, and a zone if it is link-local (RFC 4007 §11).
struct Nameserver: Hashable, Sendable {
    let address: TransportAddress

    /// The interface's name or number, kept as text because the interface may not exist all the time.
    let zone: String?

    init(_ address: TransportAddress, zone: String? = nil) {
        self.address = address
        self.zone = zone
    }

    /// Accepts `192.0.2.1`, `2001:db8::1` and `fe80::1%eth0`.
    init?(_ text: some StringProtocol, port: UInt16) {
        let parts = text.split(separator: "%", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, let address = IPAddress(String(first)) else { return nil }
        let zone = parts.count == 2 ? String(parts[1]) : nil
        if let zone {
            guard !address.isIPv4, !zone.isEmpty else { return nil }
        }
        self.init(TransportAddress(address: address, port: port), zone: zone)
    }

    /// The address family of sockets to this nameserver.
    var family: Int32 { address.address.isIPv4 ? AF_INET : AF_INET6 }

    /// Calls `body` with the address in the kernel's format.
    func withSocketAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        if address.address.isIPv4 {
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = address.port.bigEndian
            form.sin_addr.s_addr = address.address.ipv4.rawValue.bigEndian
            return withUnsafeBytes(of: &form) { bytes in
                bytes.withMemoryRebound(to: sockaddr.self) { Self.pass($0, bytes: bytes.count, to: body) }
            }
        }
        var form = sockaddr_in6()
        form.sin6_family = sa_family_t(AF_INET6)
        form.sin6_port = address.port.bigEndian
        form.sin6_scope_id = interfaceIndex
        withUnsafeMutableBytes(of: &form.sin6_addr) { bytes in
            bytes.storeBytes(of: address.address.high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: address.address.low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        return withUnsafeBytes(of: &form) { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { Self.pass($0, bytes: bytes.count, to: body) }
        }
    }

    /// The zone's interface index; zero without a zone, and while the interface does not exist. The kernel refuses a
    /// link-local address with index zero.
    private var interfaceIndex: UInt32 {
        guard let zone else { return 0 }
        return UInt32(digits: zone) ?? if_nametoindex(zone)
    }

    private static func pass<Result>(
        _ address: UnsafeBufferPointer<sockaddr>, bytes: Int, to body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        guard let base = address.baseAddress else { preconditionFailure("a socket address has bytes") }
        return body(base, socklen_t(bytes))
    }
}
