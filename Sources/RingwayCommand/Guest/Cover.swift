internal import CRingway
internal import Glibc

/// One file or directory of ours that is shown in place of an entry of the file system, by mounts of it.
///
/// A mount lies on a directory entry. When the entry is removed, or another is renamed over it, the kernel takes the
/// mount off, in whatever namespace either was made; so a cover may have to be laid again. A mount can be copied only
/// while it is in place somewhere (before Linux 6.15), and there is no place that no program would see. Hence spares:
/// copies that are mounted nowhere, made from each that has just been laid.
final class Cover {
    /// Removals in the moment between laying and copying that are survived in a row.
    private static let spareCount = 4

    /// Copies that are mounted nowhere.
    private(set) var spares: [Int32] = []
    private let identity: EntryIdentity

    /// Takes the first copies of the entry at `path` in a file system that is mounted at the moment.
    ///
    /// - Parameter isProtected: whether its contents can be changed only elsewhere.
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

    /// Whether it is visible at the path.
    func isSeen(at path: String) -> Bool { EntryIdentity(path) == identity }

    /// Whether the descriptor refers to it.
    func isSeen(by descriptor: Int32) -> Bool { EntryIdentity(of: descriptor) == identity }

    /// Lays it over the entry that a descriptor names (`ringway_open_entry`).
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

    /// Mounts it over the entry at the path. False when there is no entry, or it cannot be covered; errno has the
    /// reason.
    func lay(at path: String) -> Bool {
        // The entry may be replaced at any moment: the covered one is checked again, by its path.
        for _ in 0..<16 {
            let entry = ringway_open_entry(AT_FDCWD, path)
            guard entry >= 0 else { return false }
            defer { close(entry) }
            if isSeen(by: entry) { return true }
            guard lay(over: entry) else { return false }
        }
        return isSeen(at: path)
    }

    /// Removes the cover, so that the entry at the path is visible again.
    func lift(from path: String) {
        while isSeen(at: path), ringway_unmount_entry(path) == 0 {}
    }
}
