internal import CRingway
internal import Glibc

/// The guest's mount namespace: mounts of the host still propagate into it, but its own do not propagate to the host.
enum MountNamespace {
    /// Makes this process's mounts visible in its own mount namespace only, while mounts of the host still appear in
    /// it.
    static func detach() throws(GuestFailure) {
        if ringway_mount_subordinate("/") == 0 { return }
        guard errno == EINVAL else { throw GuestFailure(cannot: "make mounts private") }
        try becomeMountPoint()
    }

    /// Makes the root a mount point, for a process in a chroot. There the root is only a directory of a mount that is
    /// out of reach and may be shared with the host. The tree below the root is therefore bind-mounted on `/proc/fs`,
    /// which becomes the root.
    private static func becomeMountPoint() throws(GuestFailure) {
        let place = "/proc/fs"
        guard let directory = getcwd(nil, 0) else { throw GuestFailure(cannot: "find the working directory") }
        defer { free(directory) }
        guard ringway_mount_subordinate("/proc") == 0, ringway_mount_bind_all("/", place) == 0,
            ringway_mount_subordinate(place) == 0, chroot(place) == 0
        else { throw GuestFailure(cannot: "make mounts private") }
        if chdir(directory) != 0 { _ = chdir("/") }
    }
}
