internal import CRingway
internal import Glibc

/// The few kernel settings of a guest's namespace that its addresses depend on.
///
/// `/proc/sys/net` shows the namespace of the process that opens it, so these speak of the caller's present one. Where
/// the file system is read-only, as in some containers, the kernel's defaults stand: they serve, only more slowly.
enum InterfaceSysctl {
    private static let root = "/proc/sys/net"

    /// Whether the kernel has IPv6 at all.
    static var exists: Bool { access("\(root)/ipv6/conf", F_OK) == 0 }

    /// Allows IPv6 where the host forbids it, and drops duplicate detection: the bridge is the only neighbour, and a
    /// second's wait for an address is the largest part of a guest's start.
    static func prepareIPv6(of name: String, ownsNamespace: Bool) {
        // In a namespace that others have made the other interfaces are left alone.
        let interfaces = ownsNamespace ? ["all", "default", "lo", name] : [name]
        for interface in interfaces { _ = write("0", "ipv6/conf/\(interface)/disable_ipv6") }
        _ = write("0", "ipv6/conf/\(name)/accept_dad")
    }

    private static func write(_ value: StaticString, _ setting: String) -> Bool {
        let file = ringway_open("\(root)/\(setting)", O_WRONLY, 0)
        guard file >= 0 else { return false }
        defer { close(file) }
        return Glibc.write(file, value.utf8Start, value.utf8CodeUnitCount) == value.utf8CodeUnitCount
    }
}
