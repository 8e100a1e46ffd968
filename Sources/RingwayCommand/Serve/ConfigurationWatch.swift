internal import Glibc

/// Tells when a configuration file may have changed: written, replaced, or reached by a link that leads elsewhere now.
struct ConfigurationWatch: ~Copyable {
    /// Readable when something has happened; negative where nothing is watched.
    let descriptor: Int32

    /// - Parameter path: `nil` for nothing.
    init(_ path: String?) {
        guard let path else {
            descriptor = -1
            return
        }
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return }
        // Directories and not the file: editors, and whoever mounts configurations, put another file in its place.
        let events = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM
        for directory in Self.directories(of: path) {
            inotify_add_watch(descriptor, directory, UInt32(events) | UInt32(IN_ONLYDIR))
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Where the name is, and where the file is that it leads to.
    private static func directories(of path: String) -> Set<String> {
        var directories: Set = [parent(path)]
        if let resolved = realpath(path, nil) {
            directories.insert(parent(String(cString: resolved)))
            free(resolved)
        }
        return directories
    }

    private static func parent(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Forgets what has happened until now.
    borrowing func drain() {
        var octets = [UInt8](repeating: 0, count: 65_536)
        while read(descriptor, &octets, octets.count) > 0 {}
    }
}
