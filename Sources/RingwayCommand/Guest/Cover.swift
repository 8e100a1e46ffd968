internal import CRingway
internal import Glibc

/// A file or directory of this program, mounted over a directory entry.
///
/// A mount is attached to a directory entry. If the entry is removed, or another is renamed over it, the kernel removes
/// the mount, regardless of the namespaces of both. The cover then has to be mounted again. Before Linux 6.15 a mount
/// can be cloned only while it is attached, and wherever it is attached some program can see it. Therefore each new
/// cover is used to create spares, which are detached clones.
final class Cover {
    /// The number of spares. Each removal of a cover that could not yet be cloned costs one, so this is how many
    /// removals in a row can be repaired.
    private static let spareCount = 4

    /// Detached clones.
    private(set) var spares: [Int32] = []
    private let identity: EntryIdentity

    /// Creates the first clones of the entry at `path` in a file system that is currently mounted.
    ///
    /// - Parameter isProtected: whether the clones are read-only.
    init(of path: String, in memory: Int32, isProtected: Bool = false) throws(GuestFailure) {
        guard let identity = EntryIdentity(path, in: memory) else { throw GuestFailure(cannot: "look at a new file") }
        self.identity = identity
        for _ in 0..<Self.spareCount {
            let spare = ringway_mount_copy(memory, path, false)
            guard spare >= 0 else { throw GuestFailure(cannot: "make a mount") }
            spares.append(spare)
            guard !isProtected || ringway_mount_protect(spare) == 0 else {
                throw GuestFailure(cannot: "protect a mount")
            }
        }
    }

    deinit { for spare in spares { close(spare) } }

    /// Whether the path refers to the cover.
    func isSeen(at path: String) -> Bool { EntryIdentity(path) == identity }

    /// Whether the descriptor refers to the cover.
    func isSeen(by descriptor: Int32) -> Bool { EntryIdentity(of: descriptor) == identity }

    /// Mounts the cover over the entry of a descriptor (`ringway_open_entry`).
    func lay(over entry: Int32) -> Bool {
        guard let mount = spares.popLast() else {
            errno = EBUSY
            return false
        }
        guard ringway_mount_place(mount, entry, "") == 0 else {
            let reason = errno
            spares.append(mount)
            errno = reason
            return false
        }
        while spares.count < Self.spareCount {
            let spare = ringway_mount_copy(mount, "", false)
            guard spare >= 0 else { break }
            spares.append(spare)
        }
        close(mount)
        return true
    }

    /// Mounts the cover over the entry at the path. False if there is no entry, or it cannot be covered; errno has the
    /// reason.
    func lay(at path: String) -> Bool {
        // The entry may be replaced at any moment, so the result is checked by its path.
        for _ in 0..<16 {
            let entry = ringway_open_entry(AT_FDCWD, path)
            guard entry >= 0 else { return false }
            defer { close(entry) }
            if isSeen(by: entry) { return true }
            guard lay(over: entry) else { return false }
        }
        return isSeen(at: path)
    }

    /// Unmounts the cover, so that the entry at the path becomes visible again.
    func lift(from path: String) {
        while isSeen(at: path), ringway_unmount_entry(path) == 0 {}
    }
}
