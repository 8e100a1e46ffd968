internal import CRingway
internal import Glibc

/// How the calling process gets into the guest's namespaces. It must have one thread.
enum NamespaceEntry {
    /// Makes new network and mount namespaces; in a user namespace where one is needed.
    static func enterNew() throws(GuestFailure) {
        let kinds = ringway_kind_network() | ringway_kind_mount()
        if geteuid() == 0 {
            if ringway_unshare(kinds) == 0 { return }
            // Root of a container may lack the capability and still be allowed a user namespace.
            guard errno == EPERM else { throw GuestFailure(cannot: "make a network namespace") }
        }
        try UserNamespace.enter()
        guard ringway_unshare(kinds) == 0 else {
            // Some security modules refuse by a user namespace without capabilities.
            if errno == EPERM { throw UserNamespace.refusal(EPERM) }
            throw GuestFailure(cannot: "make a network namespace")
        }
    }

    /// Joins the network namespace that `path` names.
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
        // An ordinary user has power over a namespace only as root of the user namespace that owns it.
        let owner = ringway_owning_user_namespace(namespace)
        defer { if owner >= 0 { close(owner) } }
        // The caller's own user namespace cannot be joined again: there, power is what the caller has already.
        guard owner >= 0, ringway_join_namespace(owner, ringway_kind_user()) == 0,
            ringway_join_namespace(namespace, ringway_kind_network()) == 0
        else { throw GuestFailure("cannot join \(name): it belongs to another user") }
    }
}
