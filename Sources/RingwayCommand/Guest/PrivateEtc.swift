internal import CRingway
internal import Glibc

/// A private directory mounted over `/etc`, in which `resolv.conf` is the guest's and every other entry is a link to
/// the host's entry of that name.
///
///     /etc/                        a tmpfs, read-only here
///     /etc/resolv.conf             the guest's, writable
///     /etc/NAME                    -> .ringway/etc/NAME, for each entry of the host's directory
///     /etc/.ringway/etc/           the host's directory
///     /etc/.ringway/NAME           -> /NAME, for links such as ../run/x in the host's directory
///
/// The mount does not depend on entries of the host's directory, so it does not matter whether the host's
/// `resolv.conf` is replaced, removed, dangling, or missing. Only if `/etc` itself is replaced must the new `/etc` be
/// covered again.
///
/// Links always lead to the host's current entries, whereas a mount on an entry would keep a file that the host has
/// replaced. The directory is read-only, so that writes to `/etc` fail instead of being lost when the guest ends.
final class PrivateEtc {
    static let path = "/etc"
    private static let hidden = ".ringway"
    private static let entry = "resolv.conf"

    /// The tmpfs, writable and detached.
    private let memory: Int32
    private let cover: Cover
    private let file: Cover
    /// A descriptor of a clone of the mount of the host's directory; negative while the private directory is not
    /// mounted.
    private(set) var host: Int32 = -1

    /// Adds the links to the entries of the root directory, and clones the tmpfs.
    ///
    /// - Parameters:
    ///   - memory: the tmpfs, which has a `resolv.conf` and must be attached. This object closes the descriptor.
    ///   - file: the guest's `resolv.conf`.
    init(_ memory: Int32, file: Cover) throws(GuestFailure) {
        self.memory = memory
        self.file = file
        guard mkdirat(memory, Self.hidden, 0o755) == 0, mkdirat(memory, "\(Self.hidden)/etc", 0o755) == 0
        else { throw GuestFailure(cannot: "make a directory in memory") }
        for name in Self.names(in: AT_FDCWD, "/") where name != "etc".utf8CString {
            Self.link(from: "\(Self.hidden)/".utf8CString.dropLast() + name, to: ["/".utf8CString[0]] + name, memory)
        }
        cover = try Cover(of: "", in: memory, isProtected: true)
    }

    deinit {
        close(memory)
        if host >= 0 { close(host) }
    }

    /// Every descriptor that must stay open.
    var descriptors: [Int32] { cover.spares + [memory, host].filter { $0 >= 0 } }

    /// Whether the private directory is visible at `/etc`.
    var isShown: Bool {
        let directory = ringway_open_directory(AT_FDCWD, Self.path)
        defer { if directory >= 0 { close(directory) } }
        return directory >= 0 && cover.isSeen(by: directory)
    }

    /// Whether the host's directory has an entry `resolv.conf`, even if that is a dangling link. False while the
    /// private directory is not mounted.
    var hostHasEntry: Bool { host >= 0 && EntryIdentity(Self.entry, in: host) != nil }

    /// Mounts the private directory, with links to the host's current entries. Returns false if there is no `/etc`,
    /// or it cannot be covered.
    func show() -> Bool {
        let place = ringway_open_directory(AT_FDCWD, Self.path)
        guard place >= 0 else { return false }
        defer { close(place) }
        if cover.isSeen(by: place) {
            renew()
            return true
        }
        let copy = ringway_mount_copy(place, "", true)
        guard copy >= 0 else { return false }
        if host >= 0 { close(host) }
        host = copy
        renew()
        guard cover.lay(over: place) else { return false }
        let shown = ringway_open_directory(AT_FDCWD, Self.path)
        guard shown >= 0 else { return false }
        defer { close(shown) }
        guard ringway_mount_place(copy, shown, "\(Self.hidden)/etc") == 0 else { return false }
        let own = ringway_open_entry(shown, Self.entry)
        guard own >= 0 else { return false }
        defer { close(own) }
        return file.lay(over: own)
    }

    /// Makes the host's directory visible again.
    func hide() {
        let shown = ringway_open_directory(AT_FDCWD, Self.path)
        guard shown >= 0 else { return }
        defer { close(shown) }
        if cover.isSeen(by: shown) { _ = ringway_unmount_directory(shown) }
        if host >= 0 { close(host) }
        host = -1
    }

    /// Makes and removes links, so that there is one for each entry that the host's directory has now.
    private func renew() {
        let wanted = Set(Self.names(in: host, ".")).filter { !Self.isOurs($0) }
        let present = Set(Self.names(in: memory, ".")).filter { !Self.isOurs($0) }
        for name in present.subtracting(wanted) {
            _ = name.withUnsafeBufferPointer { $0.baseAddress.map { unlinkat(memory, $0, 0) } }
        }
        for name in wanted.subtracting(present) {
            Self.link(from: ContiguousArray(name), to: "\(Self.hidden)/etc/".utf8CString.dropLast() + name, memory)
        }
    }

    // MARK: Names as bytes that end with zero

    private static func isOurs(_ name: ContiguousArray<CChar>) -> Bool {
        name.starts(with: hidden.utf8CString.dropLast()) || name == entry.utf8CString
    }

    private static func link(from name: ContiguousArray<CChar>, to target: ContiguousArray<CChar>, _ directory: Int32) {
        name.withUnsafeBufferPointer { name in
            target.withUnsafeBufferPointer { target in
                guard let name = name.baseAddress, let target = target.baseAddress else { return }
                _ = symlinkat(target, directory, name)
            }
        }
    }

    private static func names(in directory: Int32, _ path: String) -> [ContiguousArray<CChar>] {
        let descriptor = openat(directory, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        guard let stream = fdopendir(descriptor) else {
            close(descriptor)
            return []
        }
        defer { closedir(stream) }
        var names: [ContiguousArray<CChar>] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { field in
                field.withMemoryRebound(to: CChar.self, capacity: 256) { start in
                    ContiguousArray(UnsafeBufferPointer(start: start, count: strlen(start) + 1))
                }
            }
            if name != ".".utf8CString, name != "..".utf8CString { names.append(name) }
        }
        return names
    }
}
