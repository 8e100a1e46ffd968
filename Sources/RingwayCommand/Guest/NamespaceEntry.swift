internal import CRingway
internal import Glibc

/// Enters the guest's namespaces. The process must have one thread.
enum NamespaceEntry {
    /// Enters a new network namespace and a new mount namespace. If the caller may not create them directly, it first
    /// enters a new user namespace.
    static func enterNew() throws(GuestFailure) {
        let kinds = ringway_kind_network() | ringway_kind_mount()
        if geteuid() == 0 {
            if ringway_unshare(kinds) == 0 { return }
            // Root in a container may lack CAP_SYS_ADMIN, but be allowed to create a user namespace.
            guard errno == EPERM else { throw GuestFailure(cannot: "make a network namespace") }
        }
        try UserNamespace.enter()
        guard ringway_unshare(kinds) == 0 else {
            // A security module such as AppArmor may allow the user namespace, but grant no capabilities in it.
            if errno == EPERM { throw UserNamespace.refusal(EPERM) }
            throw GuestFailure(cannot: "make a network namespace")
        }
    }

    /// Joins the network namespace to which the file at `path` refers.
    static func join(_ path: String, described name: String) throws(GuestFailure) {
        let namespace = ringway_open(path, O_RDONLY, 0)
        guard namespace >= 0 else { throw GuestFailure(cannot: "open \(name)") }
        defer { close(namespace) }
        if ringway_join_namespace(namespace, ringway_kind_network()) == 0 { return }
        switch errno {
        case EINVAL: throw GuestFailure("\(name) is not a network namespace")
        case EPERM: break
        default: throw GuestFailure(cannot: "join \(name)")
        }
        // An ordinary user must first join the user namespace that owns the network namespace, to get capabilities in
        // it.
        let owner = ringway_owning_user_namespace(namespace)
        defer { if owner >= 0 { close(owner) } }
        // This also fails if the owner is the caller's own user namespace, which cannot be joined again (setns(2)).
        // Joining it would not help: the first attempt already had all capabilities that the caller has there.
        guard owner >= 0, ringway_join_namespace(owner, ringway_kind_user()) == 0,
            ringway_join_namespace(namespace, ringway_kind_network()) == 0
        else { throw GuestFailure("cannot join \(name): it belongs to another user") }
    }
}
