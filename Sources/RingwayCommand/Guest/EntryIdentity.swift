internal import CRingway
internal import Glibc

/// The device and inode number of a directory entry. For a symbolic link they are the link's own, not its target's.
struct EntryIdentity: Equatable {
    private let device: UInt64
    private let number: UInt64

    /// The entry at a path, relative to a directory if one is given; `nil` if no entry is found.
    init?(_ path: String, in directory: Int32 = AT_FDCWD) {
        var device: UInt64 = 0
        var number: UInt64 = 0
        guard ringway_entry_identity(directory, path, &device, &number) == 0 else { return nil }
        self.device = device
        self.number = number
    }

    /// The entry that a descriptor refers to.
    init?(of descriptor: Int32) { self.init("", in: descriptor) }
}
