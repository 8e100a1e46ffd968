internal import CRingway
internal import Glibc

/// The guest's mount namespace: mounts of the host still propagate into it, but none out of it.
enum MountNamespace {
    /// From now on mounts made here are only visible here, while mounts of the host still appear.
    static func detach() throws(GuestFailure) {
        if ringway_mount_subordinate("/") == 0 { return }
        guard errno == EINVAL else { throw GuestFailure(cannot: "make mounts private") }
        try becomeMountPoint()
    }

    /// In a chroot the root is not a mount point, and the underlying mount is inaccessible and may be shared with the
    /// host. The tree is therefore bind-mounted on an accessible mount, which becomes the root.
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
