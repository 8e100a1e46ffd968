internal import CRingway
internal import Glibc

/// Creates directories that only their owner may access, for sockets and state of networks.
package enum PrivateDirectory {
    /// Creates a directory unless it exists. An existing one must belong to the caller or to root, and must not be
    /// writable for all users unless its sticky bit is set.
    ///
    /// - Parameter makesParents: whether to create the directories above it, too.
    /// - Returns: `nil` on success, otherwise the reason for the failure.
    package static func make(_ path: String, makesParents: Bool = false) -> String? {
        if ringway_path_make_directory(path, 0o700) == 0 { return nil }
        switch errno {
        case EEXIST: return complaint(about: path)
        case ENOENT where makesParents && path.contains("/") && path != "/":
            if let reason = makeParents(of: path) { return reason }
            return make(path)
        default: return text(of: errno)
        }
    }

    /// Creates the missing parent directories. Existing ones may belong to any user.
    private static func makeParents(of path: String) -> String? {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return nil }
        let parent = String(path[..<slash])
        if ringway_path_make_directory(parent, 0o700) == 0 || errno == EEXIST { return nil }
        guard errno == ENOENT else { return text(of: errno) }
        if let reason = makeParents(of: parent) { return reason }
        return ringway_path_make_directory(parent, 0o700) == 0 || errno == EEXIST ? nil : text(of: errno)
    }

    private static func complaint(about path: String) -> String? {
        var (mode, owner): (mode_t, uid_t) = (0, 0)
        guard ringway_path_status(path, true, &mode, &owner) == 0 else { return text(of: errno) }
        guard mode & S_IFMT == S_IFDIR else { return text(of: ENOTDIR) }
        guard owner == geteuid() || owner == 0 else { return "it belongs to another user" }
        // With the sticky bit, users cannot remove or replace files of others.
        guard mode & S_IWOTH == 0 || mode & S_ISVTX != 0 else { return "every user may write to it" }
        return nil
    }

    private static func text(of error: Int32) -> String { String(cString: strerror(error)) }
}
