internal import CRingway
internal import Glibc

/// A `resolv.conf` that names the gateway, mounted for the processes of an existing mount namespace, and removed at the
/// end. No file is written.
///
/// The mount is on the entry `/etc/resolv.conf` of that namespace. If the entry is a symbolic link, the mount is on
/// the link itself. If the entry is replaced, the kernel removes the mount, and this process mounts the file again.
/// If the mount would propagate to the caller's own namespace, nothing is mounted, and `init` throws.
final class JoinedResolver: KeptNames {
    private static let file = "/etc/resolv.conf"

    private let entry: Cover
    private let watch = EntryWatch()

    /// Enters the mount namespace of a process and mounts the file. The caller must have one thread, and stays in the
    /// namespace.
    ///
    /// - Parameter contents: computes the file's content from the content that the process currently sees.
    init(of process: pid_t, _ contents: (String) -> String) throws(GuestFailure) {
        // The process's root, which may differ from the root of its mount namespace.
        let root = ringway_open_directory(AT_FDCWD, "/proc/\(process)/root")
        let namespace = ringway_open("/proc/\(process)/ns/mnt", O_RDONLY, 0)
        let own = ringway_open("/proc/self/ns/mnt", O_RDONLY, 0)
        defer { for descriptor in [root, namespace, own] where descriptor >= 0 { close(descriptor) } }
        guard root >= 0, namespace >= 0 else { throw GuestFailure(cannot: "see the files of process \(process)") }
        guard EntryIdentity(of: own) != EntryIdentity(of: namespace) else {
            throw GuestFailure("process \(process) uses this machine's \(Self.file)")
        }
        let here = MountTable(of: "self")
        let there = MountTable(of: "\(process)")
        try Self.join(namespace, root, process)

        guard EntryIdentity(Self.file) != nil else { throw GuestFailure("there is no \(Self.file)") }
        let target = ringway_open_entry(AT_FDCWD, Self.file)
        let top = ringway_open_directory(AT_FDCWD, "/")
        defer { for descriptor in [target, top] where descriptor >= 0 { close(descriptor) } }
        for place in [target, top] where there.propagates(ringway_mount_number(place), to: here) {
            throw GuestFailure("a mount over \(Self.file) there would appear here too")
        }
        let memory = ringway_mount_memory()
        guard memory >= 0 else { throw GuestFailure(cannot: "make a file system in memory") }
        defer { close(memory) }
        try GuestResolver.write(contents(ResolverConfiguration.hostContents()), to: "resolv.conf", in: memory)
        let copy = ringway_mount_copy(memory, "resolv.conf", false)
        let mustBePlaced = copy < 0
        if copy >= 0 { close(copy) }
        if mustBePlaced, ringway_mount_place(memory, AT_FDCWD, "/") != 0 { throw GuestFailure(cannot: "place a mount") }
        defer { if mustBePlaced { _ = ringway_unmount_directory(memory) } }
        entry = try Cover(of: "resolv.conf", in: memory)
        guard entry.lay(at: Self.file) else { throw GuestFailure(cannot: "mount over \(Self.file)") }
    }

    private static func join(_ namespace: Int32, _ root: Int32, _ process: pid_t) throws(GuestFailure) {
        if ringway_join_namespace(namespace, ringway_kind_mount()) != 0 {
            // An ordinary user must first join the user namespace that owns the mount namespace, to get capabilities
            // in it.
            let owner = ringway_owning_user_namespace(namespace)
            defer { if owner >= 0 { close(owner) } }
            guard owner >= 0, ringway_join_namespace(owner, ringway_kind_user()) == 0,
                ringway_join_namespace(namespace, ringway_kind_mount()) == 0
            else { throw GuestFailure(cannot: "enter the mount namespace of process \(process)") }
        }
        guard fchdir(root) == 0, chroot(".") == 0 else {
            throw GuestFailure(cannot: "enter the root directory of process \(process)")
        }
    }

    // MARK: Watching

    var descriptors: [Int32] { entry.spares + (watch.descriptor < 0 ? [] : [watch.descriptor]) }

    var descriptor: Int32 { watch.descriptor }

    var interval: Int32 { watch.descriptor < 0 ? 1000 : -1 }

    func keep() {
        // A second pass finds changes that occurred while the watches were set.
        for _ in 0..<2 {
            _ = entry.lay(at: Self.file)
            watch.renew([.init(path: "/"), .init(path: "/etc")])
        }
        _ = entry.lay(at: Self.file)
    }

    func attend(isDue: Bool) {
        var isConcerned = isDue
        watch.take { directory, name in
            let wanted = directory == "/" ? "etc" : "resolv.conf"
            if name.isEmpty || name.elementsEqual(wanted.utf8) { isConcerned = true }
        }
        if isConcerned { keep() }
    }

    func remove() { entry.lift(from: Self.file) }
}
