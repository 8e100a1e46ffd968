internal import CRingway
internal import Glibc

/// A user namespace in which the caller is root, which an ordinary user needs to create the other namespaces.
enum UserNamespace {
    /// Enters a new user namespace. The caller's user and group become 0 in it; no other user or group is mapped.
    static func enter() throws(GuestFailure) {
        let user = geteuid()
        let group = getegid()
        guard ringway_unshare(ringway_kind_user()) == 0 else { throw refusal(errno) }
        // The kernel lets an ordinary user map a group only after setgroups is disabled.
        try write("deny", to: "/proc/self/setgroups")
        try write("0 \(user) 1\n", to: "/proc/self/uid_map")
        try write("0 \(group) 1\n", to: "/proc/self/gid_map")
    }

    /// The failure if the kernel refuses a user namespace, with a remedy.
    static func refusal(_ errorNumber: Int32) -> GuestFailure {
        switch errorNumber {
        case EPERM, EACCES:
            GuestFailure("cannot make a user namespace: not permitted here; \"ringway doctor\" says how to allow it")
        case ENOSPC, EUSERS:
            GuestFailure("cannot make a user namespace: the limit is reached (sysctl user.max_user_namespaces)")
        case EINVAL, ENOSYS:
            GuestFailure("cannot make a user namespace: the kernel has none")
        default:
            GuestFailure(cannot: "make a user namespace", errorNumber: errorNumber)
        }
    }

    private static func write(_ text: String, to path: String) throws(GuestFailure) {
        let file = ringway_open(path, O_WRONLY, 0)
        guard file >= 0 else { throw GuestFailure(cannot: "open \(path)") }
        defer { close(file) }
        guard Glibc.write(file, text, text.utf8.count) == text.utf8.count else {
            throw GuestFailure(cannot: "write \(path)")
        }
    }
}
