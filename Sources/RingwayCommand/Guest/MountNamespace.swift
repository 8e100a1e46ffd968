internal import CRingway
internal import Glibc

/// The guest's mounts: mounts of the host still appear, and mounts made here stay here.
enum MountNamespace {
    /// From now on mounts made here are visible here alone, while mounts of the host still appear.
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
}
