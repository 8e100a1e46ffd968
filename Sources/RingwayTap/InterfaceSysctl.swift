internal import CRingway
internal import Glibc

/// The sysctls of a guest's network namespace by which IPv6 is enabled, and duplicate address detection disabled.
///
/// `/proc/sys/net` refers to the network namespace of the thread that opens a file in it, here the caller's current
/// one. If the file system is read-only, as in some containers, the settings remain as they are.
enum InterfaceSysctl {
    private static let root = "/proc/sys/net"

    /// Whether the kernel has IPv6 at all.
    static var exists: Bool { access("\(root)/ipv6/conf", F_OK) == 0 }

    /// Enables IPv6 on the interface, and disables duplicate address detection there: the second that the detection
    /// takes would be the largest part of a guest's start.
    static func prepareIPv6(of name: String, ownsNamespace: Bool) {
        // Other interfaces are changed only if the namespace was created for this one.
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
