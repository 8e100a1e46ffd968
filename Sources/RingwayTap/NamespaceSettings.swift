internal import CRingway
internal import Glibc

/// The settings of a network namespace by which packet marks go from a connection's first packet to all others, with
/// what they were before.
///
/// The directory of settings is opened at once, because the process may go where no such directory can be seen, or
/// where it is read-only; what it shows depends on the reading thread's namespace, not on when it was opened.
final class NamespaceSettings {
    private static let acceptedMark = "ipv4/tcp_fwmark_accept"
    private static let ipv6Mark = "ipv6/fwmark_reflect"

    let directory: Int32
    let hasIPv6: Bool
    /// The settings that were changed.
    private var changed: [String] = []

    init() {
        directory = ringway_open_directory(AT_FDCWD, "/proc/sys/net")
        hasIPv6 = faccessat(directory, Self.ipv6Mark, F_OK, 0) == 0
    }

    deinit { if directory >= 0 { close(directory) } }

    /// Whether accepted connections bear their client's mark already.
    var keepsMarks: Bool { read(Self.acceptedMark) == UInt8(ascii: "1") }

    /// Has accepted connections bear their client's packet mark, of both families, and what the kernel answers without a
    /// socket that of the packet answered.
    func keepMarks() -> Bool {
        var names = [Self.acceptedMark, "ipv4/fwmark_reflect"]
        if hasIPv6 { names.append(Self.ipv6Mark) }
        for name in names where read(name) != UInt8(ascii: "1") {
            guard write(UInt8(ascii: "1"), name) else { return false }
            if !changed.contains(name) { changed.append(name) }
        }
        return true
    }

    /// Puts back what was changed.
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
