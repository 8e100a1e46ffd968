internal import CRingway
internal import Glibc

/// Entering the guest's namespaces. The process must have one thread.
enum NamespaceEntry {
    /// Creates network and mount namespaces; inside a user namespace if needed.
    static func enterNew() throws(GuestFailure) {
        let kinds = ringway_kind_network() | ringway_kind_mount()
        if geteuid() == 0 {
            if ringway_unshare(kinds) == 0 { return }
            // Root in a container may lack the capability but be allowed a user namespace.
            guard errno == EPERM else { throw GuestFailure(cannot: "make a network namespace") }
        }
        try UserNamespace.enter()
        guard ringway_unshare(kinds) == 0 else {
            // Some security modules refuse by granting a user namespace without capabilities.
            if errno == EPERM { throw UserNamespace.refusal(EPERM) }
            throw GuestFailure(cannot: "make a network namespace")
        }
    }

    /// Joins the network namespace of `path`.
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
        // An ordinary user needs to be root of the user namespace that owns the network namespace.
        let owner = ringway_owning_user_namespace(namespace)
        defer { if owner >= 0 { close(owner) } }
        // The caller's own user namespace cannot be joined again; the caller already has its capabilities there.
        guard owner >= 0, ringway_join_namespace(owner, ringway_kind_user()) == 0,
            ringway_join_namespace(namespace, ringway_kind_network()) == 0
        else { throw GuestFailure("cannot join \(name): it belongs to another user") }
    }
}
