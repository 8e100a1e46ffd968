internal import CRingway
internal import Glibc

/// The sysctls of a network namespace that copy packet marks: from a client's SYN to the accepted connection
/// (`tcp_fwmark_accept`), and from a packet to the kernel's reply, such as RST (`fwmark_reflect`). `restore` sets
/// their former values again.
///
/// The directory `/proc/sys/net` is opened at once, because the process may later move to a mount namespace in which
/// it is invisible or read-only. The network namespace whose sysctls are accessed is that of the thread that opens a
/// file in the directory; which thread opened the directory does not matter.
final class NamespaceSettings {
    private static let acceptedMark = "ipv4/tcp_fwmark_accept"
    private static let ipv6Mark = "ipv6/fwmark_reflect"

    let directory: Int32
    let hasIPv6: Bool
    /// The sysctls that `keepMarks` has set to 1.
    private var changed: [String] = []

    init() {
        directory = ringway_open_directory(AT_FDCWD, "/proc/sys/net")
        hasIPv6 = faccessat(directory, Self.ipv6Mark, F_OK, 0) == 0
    }

    deinit { if directory >= 0 { close(directory) } }

    /// Whether accepted connections already inherit their client's mark.
    var keepsMarks: Bool { read(Self.acceptedMark) == UInt8(ascii: "1") }

    /// Sets the sysctls: accepted connections of both families then inherit their client's packet mark, and a reply
    /// that the kernel sends without a socket gets the mark of the packet that it answers.
    ///
    /// - Returns: false if a sysctl cannot be set.
    func keepMarks() -> Bool {
        var names = [Self.acceptedMark, "ipv4/fwmark_reflect"]
        if hasIPv6 { names.append(Self.ipv6Mark) }
        for name in names where read(name) != UInt8(ascii: "1") {
            guard write(UInt8(ascii: "1"), name) else { return false }
            if !changed.contains(name) { changed.append(name) }
        }
        return true
    }

    /// Restores the former values.
    func restore() {
        for name in changed { _ = write(UInt8(ascii: "0"), name) }
        changed = []
    }

    private func read(_ name: String) -> UInt8? {
        let file = openat(directory, name, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var byte: UInt8 = 0
        return Glibc.read(file, &byte, 1) == 1 ? byte : nil
    }

    private func write(_ byte: UInt8, _ name: String) -> Bool {
        let file = openat(directory, name, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        defer { close(file) }
        var byte = byte
        return Glibc.write(file, &byte, 1) == 1
    }
}
