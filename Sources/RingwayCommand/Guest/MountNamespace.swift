internal import CRingway
internal import Glibc

/// The guest's view of the file system: the host's, but for what would lead its names past the bridge.
enum MountNamespace {
    /// From now on what is mounted here is seen here alone, while what the host mounts still appears.
    static func detach() throws(GuestFailure) {
        if ringway_mount_subordinate("/") == 0 { return }
        guard errno == EINVAL else { throw GuestFailure(cannot: "make mounts private") }
        try becomeMountPoint()
    }

    /// In a chroot the root is no mount point, and the mount it lies on is out of reach and may be shared with the
    /// host. So the tree is shown a second time at a place whose mount is in reach, and that becomes the root.
    private static func becomeMountPoint() throws(GuestFailure) {
        let place = "/proc/fs"
        guard let directory = getcwd(nil, 0) else { throw GuestFailure(cannot: "find the working directory") }
        defer { free(directory) }
        guard ringway_mount_subordinate("/proc") == 0, ringway_mount_bind_all("/", place) == 0,
            ringway_mount_subordinate(place) == 0, chroot(place) == 0
        else { throw GuestFailure(cannot: "make mounts private") }
        if chdir(directory) != 0 { _ = chdir("/") }
    }

    /// Shows `contents` as `/etc/resolv.conf`, wherever that leads, and hides the sockets by which the C library
    /// would ask the host's resolver without a packet. A machine without `/etc/resolv.conf` is left as it is.
    static func installResolver(_ contents: String) throws(GuestFailure) {
        for socket in ["/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/var/run/nscd/socket"]
        where access(socket, F_OK) == 0 {
            _ = ringway_mount_bind("/dev/null", socket)
        }
        let target = ringway_open_path("/etc/resolv.conf")
        guard target >= 0 else { return }
        defer { close(target) }
        // A file system in memory, out of sight as soon as its one file is shown elsewhere: nothing to clean up.
        let place = "/tmp"
        guard ringway_mount_memory(place) == 0 else { throw GuestFailure(cannot: "mount a file system on \(place)") }
        defer { _ = ringway_unmount_detached(place) }
        let file = "\(place)/resolv.conf"
        try write(contents, to: file)
        guard ringway_mount_bind(file, "/proc/self/fd/\(target)") == 0 else {
            throw GuestFailure(cannot: "mount over /etc/resolv.conf")
        }
    }

    private static func write(_ contents: String, to path: String) throws(GuestFailure) {
        let file = ringway_open(path, O_WRONLY | O_CREAT | O_EXCL, 0o644)
        guard file >= 0 else { throw GuestFailure(cannot: "create \(path)") }
        defer { close(file) }
        // Readable whatever the caller's mask.
        guard Glibc.write(file, contents, contents.utf8.count) == contents.utf8.count, fchmod(file, 0o644) == 0 else {
            throw GuestFailure(cannot: "write \(path)")
        }
    }
}
