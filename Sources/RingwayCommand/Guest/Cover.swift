internal import CRingway
internal import Glibc

/// A file or directory from a tmpfs of this program, mounted over a directory entry.
///
/// If the directory entry is removed, or another entry is renamed over it, the kernel removes the mount, even if this
/// happens in another mount namespace. The cover then has to be mounted again. Before Linux 6.15 only an attached
/// mount can be cloned, and a mount that stays attached for this purpose would be visible to programs. Therefore the
/// cover is cloned each time it has been mounted. The detached clones are the spares, which are mounted when the
/// cover is removed.
final class Cover {
    /// The number of spares. A cover that the kernel removes before it has been cloned costs one spare, so this many
    /// such removals in a row can be repaired.
    private static let spareCount = 4

    /// Descriptors of detached clones (open_tree(2)).
    private(set) var spares: [Int32] = []
    private let identity: EntryIdentity

    /// Creates the first spares: clones of the entry at `path` in a file system.
    ///
    /// - Parameters:
    ///   - memory: the root of the file system, which must be attached if the kernel is older than Linux 6.15.
    ///   - isProtected: whether the clones are read-only.
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

    /// Mounts the cover over the entry that an O_PATH descriptor refers to. Returns false on failure, with the reason
    /// in errno.
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

    /// Mounts the cover over the entry at the path. Returns false if there is no entry, if it cannot be covered, or
    /// if it is replaced again and again during the call. In the first two cases errno has the reason.
    func lay(at path: String) -> Bool {
        // The entry may be replaced at any moment, so the path is looked up again after each mount.
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
