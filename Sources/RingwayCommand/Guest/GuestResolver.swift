internal import CRingway
internal import Glibc

/// The name resolution of the guest of `run`, in place of the host's: a `resolv.conf` of its own, for its whole life,
/// and none of the sockets by which the C library would ask the host without a packet.
///
/// Nothing but the guest's mounts is changed, so whatever the host does to its files it does to entries that are
/// covered. What can be done against that depends on the guest:
///
/// - Where it may not change `/etc`, which is so for ordinary users, it sees a directory of ours there (`PrivateEtc`),
///   which nothing in the host's directory can undo.
/// - Where it may, as root, what it adds to `/etc` has to arrive in the host's directory, so that one must be seen, and
///   only the entry `resolv.conf` is covered: the link itself where it is one, so that what becomes of its target does
///   not matter. An entry that is replaced takes the cover with it, and `GuestKeeper` lays the next at once.
///   Programs write the new file beside the old one and rename it; it is covered as soon as it is there, and so brings
///   its cover along. While the host has no such entry, the guest sees the directory of ours.
///
/// `/etc/hosts`, `/etc/nsswitch.conf` and everything else stays the host's.
final class GuestResolver: KeptNames {
    private static let file = "/etc/resolv.conf"
    /// Where the C library's modules would find systemd-resolved and nscd: directories, because the sockets in them
    /// come anew when those are started again.
    private static let hiddenDirectories = ["/run/systemd/resolve", "/run/nscd", "/var/run/nscd"]
    private static let empty = ".ringway-empty"

    private let entry: Cover
    private let nothing: Cover
    private let directory: PrivateEtc
    private let mayChangeEtc: Bool
    private let watch = EntryWatch()
    /// New files that may be renamed over the entry, covered for a while.
    private var passing: Set<String> = []

    /// Makes the file that the guest will see. The caller has one thread, and a mount namespace of its own.
    init(_ contents: String) throws(GuestFailure) {
        let memory = ringway_mount_memory()
        guard memory >= 0 else { throw GuestFailure(cannot: "make a file system in memory") }
        try Self.write(contents, to: "resolv.conf", in: memory)
        guard mkdirat(memory, Self.empty, 0o755) == 0 else { throw GuestFailure(cannot: "make a directory in memory") }
        // A path from the root directory does not enter a mount on it, and COMMAND is not there yet.
        guard ringway_mount_place(memory, AT_FDCWD, "/") == 0 else { throw GuestFailure(cannot: "place a mount") }
        defer { _ = ringway_unmount_directory(memory) }
        entry = try Cover(of: "resolv.conf", in: memory)
        nothing = try Cover(of: Self.empty, in: memory, isProtected: true)
        directory = try PrivateEtc(memory, file: entry)
        mayChangeEtc = faccessat(AT_FDCWD, PrivateEtc.path, W_OK, AT_EACCESS) == 0
    }

    static func write(_ contents: String, to name: String, in directory: Int32) throws(GuestFailure) {
        let file = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw GuestFailure(cannot: "make a file in memory") }
        defer { close(file) }
        // Readable whatever the caller's mask.
        guard Glibc.write(file, contents, contents.utf8.count) == contents.utf8.count, fchmod(file, 0o644) == 0 else {
            throw GuestFailure(cannot: "write a file in memory")
        }
    }

    /// Shows it for the first time. A machine without `/etc` is left as it is.
    func install() throws(GuestFailure) {
        for path in Self.hiddenDirectories { _ = nothing.lay(at: path) }
        guard !show() else {
            returnToEtc()
            return
        }
        guard access(PrivateEtc.path, F_OK) != 0 else { throw GuestFailure(cannot: "mount over \(Self.file)") }
    }

    /// A working directory that has been covered is entered again.
    private func returnToEtc() {
        guard let path = getcwd(nil, 0) else { return }
        defer { free(path) }
        if strcmp(path, PrivateEtc.path) == 0 { _ = chdir(PrivateEtc.path) }
    }

    @discardableResult
    private func show() -> Bool {
        guard mayChangeEtc else { return directory.show() }
        if directory.isShown {
            guard directory.hostHasEntry else { return directory.show() }
            directory.hide()
        }
        return bareEntry() && entry.lay(at: Self.file) || directory.show()
    }

    /// Takes off what the host has mounted on the entry itself, as "ip netns exec" and container engines do: a cover on
    /// that would lie on an entry of another directory, where its end goes unnoticed. False where that may not be.
    private func bareEntry() -> Bool {
        let etc = ringway_open_directory(AT_FDCWD, PrivateEtc.path)
        guard etc >= 0 else { return true }
        defer { close(etc) }
        while true {
            let found = ringway_open_entry(AT_FDCWD, Self.file)
            guard found >= 0 else { return true }
            defer { close(found) }
            if entry.isSeen(by: found) || ringway_mount_number(found) == ringway_mount_number(etc) { return true }
            if ringway_unmount_entry(Self.file) != 0 { return false }
        }
    }

    // MARK: Keeping it so

    var descriptors: [Int32] {
        entry.spares + nothing.spares + directory.descriptors + (watch.descriptor < 0 ? [] : [watch.descriptor])
    }

    var descriptor: Int32 { watch.descriptor }

    var interval: Int32 { watch.descriptor < 0 || !passing.isEmpty ? 1000 : -1 }

    func keep() {
        // Changes while the watches are set are found by a second look.
        for _ in 0..<2 {
            restore()
            renewWatch()
        }
        restore()
    }

    func attend(isDue: Bool) {
        var isConcerned = isDue && watch.descriptor < 0
        watch.take { directory, name in
            if Self.concerns(directory, name, isPrivate: self.directory.host >= 0) { isConcerned = true }
            if directory == PrivateEtc.path, self.mayChangeEtc { self.coverPassing(name) }
        }
        if isDue, !passing.isEmpty {
            for path in passing { entry.lift(from: path) }
            passing = []
        }
        if isConcerned { keep() }
    }

    /// The namespace is the guest's, and ends with it.
    func remove() {}

    private func restore() {
        for path in Self.hiddenDirectories { _ = nothing.lay(at: path) }
        show()
    }

    private func renewWatch() {
        watch.renew([
            .init(path: "/"), .init(path: PrivateEtc.path, descriptor: directory.host), .init(path: "/run"),
            .init(path: "/run/systemd"), .init(path: "/var"), .init(path: "/var/run"),
        ])
    }

    private static func concerns(_ directory: String, _ name: UnsafeRawBufferPointer, isPrivate: Bool) -> Bool {
        func isOne(of names: StaticString...) -> Bool {
            names.contains {
                name.elementsEqual(UnsafeRawBufferPointer(start: $0.utf8Start, count: $0.utf8CodeUnitCount))
            }
        }
        if name.isEmpty { return true }
        switch directory {
        case "/": return isOne(of: "etc", "run", "var")
        case PrivateEtc.path: return isPrivate || isOne(of: "resolv.conf")
        case "/var": return isOne(of: "run")
        case "/run/systemd": return isOne(of: "resolve")
        default: return isOne(of: "systemd", "nscd")
        }
    }

    /// Covers a file that has just come and may be about to be renamed over the entry.
    private func coverPassing(_ name: UnsafeRawBufferPointer) {
        guard let name = String(validating: name, as: UTF8.self), name.contains("resolv.conf"), name != "resolv.conf",
            !directory.isShown
        else { return }
        let path = "\(PrivateEtc.path)/\(name)"
        if entry.lay(at: path) { passing.insert(path) }
    }
}
