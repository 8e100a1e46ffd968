internal import Glibc

/// Detects changes of directory entries by inotify.
///
/// If no inotify instance can be created, `descriptor` is negative and the caller has to poll. All processes of a
/// user together may have `fs.inotify.max_user_instances` instances, 128 by default.
final class EntryWatch {
    /// A directory to watch. Its changes are reported with its path.
    struct Place: Hashable {
        let path: String
        /// A descriptor of the directory if another mount hides it at `path`; otherwise negative.
        var descriptor: Int32 = -1
    }

    /// Readable when there are changes; negative without inotify.
    let descriptor: Int32
    private var watches: [Int32: Set<String>] = [:]

    init() { descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC)) }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Watches these directories and no others. Missing ones are skipped; if their parent directory is among
    /// `places`, their creation is reported.
    func renew(_ places: [Place]) {
        guard descriptor >= 0 else { return }
        let events = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO
        let mask = UInt32(events) | UInt32(IN_ONLYDIR) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF)
        var renewed: [Int32: Set<String>] = [:]
        for place in places {
            let path = place.descriptor < 0 ? place.path : "/proc/self/fd/\(place.descriptor)"
            let watch = inotify_add_watch(descriptor, path, mask)
            // Two paths may refer to one directory, which has one watch.
            if watch >= 0 { renewed[watch, default: []].insert(place.path) }
        }
        for watch in watches.keys where renewed[watch] == nil { inotify_rm_watch(descriptor, watch) }
        watches = renewed
    }

    /// Calls `body` for each change since the last call: with a directory's path and an entry's name, or an empty name
    /// for the directory itself.
    func take(_ body: (_ directory: String, _ name: UnsafeRawBufferPointer) -> Void) {
        guard descriptor >= 0 else { return }
        withUnsafeTemporaryAllocation(byteCount: 16 << 10, alignment: 8) { buffer in
            while true {
                let count = read(descriptor, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                var rest = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                let headerLength = MemoryLayout<inotify_event>.size
                while rest.count >= headerLength {
                    let event = rest.loadUnaligned(as: inotify_event.self)
                    let whole = headerLength + Int(event.len)
                    guard rest.count >= whole else { break }
                    let padded = UnsafeRawBufferPointer(rebasing: rest[headerLength..<whole])
                    let name = UnsafeRawBufferPointer(rebasing: padded.prefix { $0 != 0 })
                    for directory in watches[event.wd] ?? [] { body(directory, name) }
                    // The kernel's queue overflowed, and events were lost. A change of "/" itself is reported, upon
                    // which callers check everything.
                    if event.mask & UInt32(IN_Q_OVERFLOW) != 0 { body("/", name) }
                    rest = UnsafeRawBufferPointer(rebasing: rest[whole...])
                }
            }
        }
    }
}
