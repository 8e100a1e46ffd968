/// An address family, and addresses in it.
enum Family: String, CaseIterable, CustomStringConvertible {
    case ipv4 = "IPv4"
    case ipv6 = "IPv6"

    var description: String { rawValue }

    /// The prefix of the tests' networks, so that addresses are predictable.
    static let prefix = "fd00:1:2:3::/64"

    var gateway: String { self == .ipv4 ? "192.168.127.1" : "fd00:1:2:3::1" }
    var guest: String { self == .ipv4 ? "192.168.127.2" : "fd00:1:2:3:5055:c0ff:fea8:7f02" }
    /// The host, as the guest knows it.
    var host: String { self == .ipv4 ? "192.168.127.254" : "fd00:1:2:3::fe" }
    /// The host, as it knows itself.
    var loopback: String { self == .ipv4 ? "127.0.0.1" : "::1" }
    /// Makes curl, dig, ping and traceroute use this family.
    var flag: String { self == .ipv4 ? "-4" : "-6" }
}
