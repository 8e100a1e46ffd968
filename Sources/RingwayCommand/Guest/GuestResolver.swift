internal import CRingway
internal import Glibc
internal import RingwaySystem

/// Name resolution for the guest of `run`, independent of the host's. The guest always sees its own `resolv.conf`,
/// and none of the sockets through which the C library would bypass the name server of this network.
///
/// Only the guest's mounts are changed, and the host may change the files below them at any time. A file or directory
/// from a tmpfs of this program covers an entry: it is mounted over the entry. What is covered depends on the guest:
///
/// - If the guest may not write `/etc`, which is so for ordinary users, a `PrivateEtc` covers `/etc`. Changes inside
///   the host's directory cannot remove this cover.
/// - If the guest may write `/etc`, as root may, its changes to `/etc` must reach the host's directory. That
///   directory stays visible, and only the entry `resolv.conf` is covered. If the entry is a symbolic link, the link
///   itself is covered, so that its target does not matter. If the entry is replaced, the kernel removes the cover,
///   and `GuestKeeper` mounts the next one immediately. Programs replace the file by writing a new one in the same
///   directory and renaming it. A new file with "resolv.conf" in its name is covered as soon as it exists, and keeps
///   its cover when it is renamed. While the host has no entry `resolv.conf`, a `PrivateEtc` covers `/etc`.
///
/// `/etc/hosts`, `/etc/nsswitch.conf` and all other files are the host's.
final class GuestResolver: KeptNames {
    private static let file = "/etc/resolv.conf"
    /// The directories of the sockets of systemd-resolved and nscd, which the C library's modules use. The
    /// directories are hidden rather than the sockets, because the services create the sockets again when they
    /// restart.
    private static let hiddenDirectories = ["/run/systemd/resolve", "/run/nscd", "/var/run/nscd"]
    private static let empty = ".ringway-empty"

    private let entry: Cover
    private let nothing: Cover
    private let directory: PrivateEtc
    private let mayChangeEtc: Bool
    private let watch = EntryWatch()
    /// Paths of new files that are covered because they may be renamed over `resolv.conf`.
    private var passing: Set<String> = []

    /// Creates the guest's `resolv.conf` in a tmpfs. The caller must have one thread, and a mount namespace of its
    /// own.
    init(_ contents: String) throws(GuestFailure) {
        let memory = ringway_mount_memory()
        guard memory >= 0 else { throw GuestFailure(cannot: "make a file system in memory") }
        try Self.write(contents, to: "resolv.conf", in: memory)
        guard mkdirat(memory, Self.empty, 0o755) == 0 else { throw GuestFailure(cannot: "make a directory in memory") }
        // Before Linux 6.15 the file system must be attached to be cloned. Attached to the root for a moment, it
        // hides nothing: lookups from the root directory do not follow a mount on the root itself, and COMMAND does
        // not run yet.
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
        // fchmod(2) sets the mode, because the caller's umask may have removed bits of it.
        guard FileOutput.write(Array(contents.utf8), to: file), fchmod(file, 0o644) == 0 else {
            throw GuestFailure(cannot: "write a file in memory")
        }
    }

    /// Mounts the guest's `resolv.conf`, or its private `/etc`, for the first time, and hides the directories of
    /// sockets. If there is no `/etc`, neither is mounted, which is no error.
    func install() throws(GuestFailure) {
        for path in Self.hiddenDirectories { _ = nothing.lay(at: path) }
        guard !show() else {
            returnToEtc()
            return
        }
        guard access(PrivateEtc.path, F_OK) != 0 else { throw GuestFailure(cannot: "mount over \(Self.file)") }
    }

    /// If the working directory is `/etc`, enters the directory that is now mounted there.
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

    /// Unmounts what is already mounted on the entry `resolv.conf`, as by "ip netns exec" or a container engine. A
    /// cover on top of such a mount would be attached to the mounted file's own entry in another directory. That
    /// directory is not watched, so a replacement of that entry, which removes the cover, would not be noticed.
    /// Returns false if the mount cannot be removed.
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

    // MARK: Watching

    var descriptors: [Int32] {
        entry.spares + nothing.spares + directory.descriptors + (watch.descriptor < 0 ? [] : [watch.descriptor])
    }

    var descriptor: Int32 { watch.descriptor }

    var interval: Int32 { watch.descriptor < 0 || !passing.isEmpty ? 1000 : -1 }

    func keep() {
        // A second pass finds changes that occurred while the watches were set.
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

    /// Does nothing: the mount namespace is the guest's, and ends with it.
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

    /// Covers a new file that may be about to be renamed over `resolv.conf`.
    private func coverPassing(_ name: UnsafeRawBufferPointer) {
        let name = SystemText.text(name.map { CChar(bitPattern: $0) } + [0])
        guard name.contains("resolv.conf"), name != "resolv.conf", !directory.isShown else { return }
        let path = "\(PrivateEtc.path)/\(name)"
        if entry.lay(at: path) { passing.insert(path) }
    }
}
