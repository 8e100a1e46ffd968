internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A file that the agent replaces while it runs. When the agent ends, the former content is restored: a file, a
/// symbolic link with any target, or nothing.
///
/// The file is replaced by rename, and the former one is kept under a second name in the same directory, so that the
/// next agent can restore it even if this one is killed. If this is impossible, because the file is a mount point or
/// its directory is read-only, the file is written in place. If another program has replaced the file in the
/// meantime, the agent does not restore the former content.
final class ResolverFile {
    private let path: String
    private var backup: String { path + ".ringway-before" }
    /// The former content of a file that is written in place.
    private var former: [UInt8]?
    private var written: [UInt8] = []
    /// Directories created for the file, the outermost first.
    private var madeDirectories: [String] = []
    private var hasTakenOver = false

    private static let head = "# Written by ringway-agent; what was here before comes back when it ends.\n"

    init(_ path: String) { self.path = path }

    /// Writes `lines` to the file.
    func set(_ lines: String) throws(AgentFailure) {
        written = Array((Self.head + lines).utf8)
        if former != nil { return try writeInPlace() }
        makeDirectories()
        let fresh = path + ".ringway-new"
        _ = ringway_path_unlink(fresh)
        guard Self.create(fresh, written) else { return try takeOverInPlace() }
        if !hasTakenOver, !isOurs { keep() }
        guard ringway_path_rename(fresh, path) == 0 else {
            _ = ringway_path_unlink(fresh)
            return try takeOverInPlace()
        }
        hasTakenOver = true
    }

    /// Restores the former file.
    func restore() {
        if let former {
            // If another program has written the file since, its content is not changed.
            if SmallFile.read(path) == written {
                _ = Self.overwrite(path, former)
            }
            self.former = nil
        } else if hasTakenOver {
            if !isOurs {
                _ = ringway_path_unlink(backup)
            } else if ringway_path_rename(backup, path) != 0 {
                _ = ringway_path_unlink(path)
            }
        }
        hasTakenOver = false
        for directory in madeDirectories.reversed() { _ = ringway_path_remove_directory(directory) }
        madeDirectories = []
    }

    // MARK: Replacing

    /// Keeps the existing file under a second name (`backup`); a symbolic link is kept as a link.
    private func keep() {
        // If there is no file, the second name may have the former file of a killed agent, so it is not touched.
        guard ringway_path_type(path) != 0 else { return }
        _ = ringway_path_unlink(backup)
        if ringway_path_link(path, backup) != 0, errno != ENOENT { _ = ringway_path_rename(path, backup) }
    }

    /// Whether the current content was written by an agent.
    private var isOurs: Bool {
        guard ringway_path_type(path) == S_IFREG else { return false }
        return SmallFile.read(path)?.starts(with: Self.head.utf8) == true
    }

    private func makeDirectories() {
        var missing: [String] = []
        var directory = path[...]
        while let slash = directory.utf8.lastIndex(of: UInt8(ascii: "/")), slash != directory.startIndex {
            directory = directory[..<slash]
            guard !ringway_path_exists(String(directory)) else { break }
            missing.append(String(directory))
        }
        for directory in missing.reversed() where ringway_path_make_directory(directory, 0o755) == 0 {
            madeDirectories.append(directory)
        }
    }

    private static func create(_ path: String, _ bytes: [UInt8]) -> Bool {
        let descriptor = ringway_open(path, O_WRONLY | O_CREAT | O_EXCL, 0o644)
        guard descriptor >= 0 else { return false }
        // The umask does not apply to fchmod(2).
        let isWhole = FileOutput.write(bytes, to: descriptor) && fchmod(descriptor, 0o644) == 0
        close(descriptor)
        if !isWhole { _ = ringway_path_unlink(path) }
        return isWhole
    }

    // MARK: Writing in place

    private func takeOverInPlace() throws(AgentFailure) {
        let before = SmallFile.read(path)
        try writeInPlace()
        // If a killed agent has left its file, the content before that is unknown. Then the file is emptied at the
        // end.
        former = before.map { $0.starts(with: Self.head.utf8) ? [] : $0 } ?? []
        if !hasTakenOver { _ = ringway_path_unlink(backup) }
    }

    private func writeInPlace() throws(AgentFailure) {
        guard Self.overwrite(path, written) else { throw AgentFailure(cannot: "write \(path)") }
    }

    private static func overwrite(_ path: String, _ bytes: [UInt8]) -> Bool {
        let descriptor = ringway_open(path, O_WRONLY | O_TRUNC, 0)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return FileOutput.write(bytes, to: descriptor)
    }
}

/// A file mounted over another one, in the agent's own mount namespace only.
final class MountedResolverFile {
    private let path: String
    /// The mounted file; -1 without a mount.
    private var descriptor: Int32 = -1
    private var mount: Int32 = -1

    init(_ path: String) { self.path = path }

    deinit { for descriptor in [descriptor, mount] where descriptor >= 0 { close(descriptor) } }

    /// Mounts a file with these lines.
    func set(_ lines: String) throws(AgentFailure) {
        if descriptor < 0 { (descriptor, mount) = try show() }
        let bytes = Array(lines.utf8)
        guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0,
            FileOutput.write(bytes, to: descriptor)
        else {
            throw AgentFailure(cannot: "write the file that is mounted over \(path)")
        }
    }

    /// Unmounts the file, so that the file below it is visible again.
    func restore() {
        guard descriptor >= 0 else { return }
        _ = ringway_unmount(mount)
        for descriptor in [descriptor, mount] { close(descriptor) }
        (descriptor, mount) = (-1, -1)
    }

    /// Directories over which `show` may mount a tmpfs until it has mounted a file of that tmpfs at its destination.
    private static let places = ["/proc/fs", "/tmp", "/run", "/mnt"]

    private func show() throws(AgentFailure) -> (descriptor: Int32, mount: Int32) {
        let memory = ringway_mount_memory()
        defer { if memory >= 0 { close(memory) } }
        guard memory >= 0,
            let place = Self.places.first(where: {
                MountTable.propagates($0) == false && ringway_mount_place(memory, AT_FDCWD, $0) == 0
            })
        else { throw AgentFailure(cannot: "mount a file over \(path)") }
        defer { _ = ringway_unmount(memory) }
        let file = "\(place)/resolv.conf"
        let descriptor = ringway_open(file, O_RDWR | O_CREAT | O_EXCL, 0o644)
        let mount = descriptor < 0 ? -1 : ringway_mount_copy(AT_FDCWD, file, false)
        let target = ringway_open_path(path)
        defer { if target >= 0 { close(target) } }
        guard mount >= 0, target >= 0, fchmod(descriptor, 0o644) == 0, ringway_mount_place(mount, target, "") == 0
        else {
            let failure = AgentFailure(cannot: "mount a file over \(path)")
            for descriptor in [descriptor, mount] where descriptor >= 0 { close(descriptor) }
            throw failure
        }
        return (descriptor, mount)
    }
}

/// The setting of the guest's name servers.
final class NameServerSetting {
    private let named: String?
    private var file: ResolverFile?
    private var mounted: MountedResolverFile?
    private var hasComplained = false

    /// - Parameter named: the argument of `--resolv-conf`.
    init(named: String?) { self.named = named }

    /// Whether `set` mounts a file, and `restore` removes the mount.
    var mounts: Bool {
        let surroundings = ResolverPlace.Surroundings.inspect(at: ResolverPlace.standardPath)
        guard case .mount = ResolverPlace.decide(named: named, surroundings, nameServer: "") else { return false }
        return true
    }

    /// Sets the guest's name servers. Throws if the file cannot be written or mounted. If there is no place for them,
    /// throws the reason the first time only.
    func set(_ servers: [String]) throws(AgentFailure) {
        guard let first = servers.first else { return }
        let lines = servers.map { "nameserver \($0)\n" }.joined()
        if let file { return try file.set(lines) }
        if let mounted { return try mounted.set(lines) }
        let surroundings = ResolverPlace.Surroundings.inspect(at: ResolverPlace.standardPath)
        switch ResolverPlace.decide(named: named, surroundings, nameServer: first) {
        case .file(let path):
            let file = ResolverFile(path)
            self.file = file
            try file.set(lines)
        case .mount(let path):
            let mounted = MountedResolverFile(path)
            self.mounted = mounted
            try mounted.set(lines)
        case .nowhere(let reason):
            guard let reason, !hasComplained else { return }
            hasComplained = true
            throw AgentFailure(reason)
        }
    }

    func restore() {
        file?.restore()
        mounted?.restore()
        file = nil
        mounted = nil
    }
}
