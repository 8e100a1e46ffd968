internal import Glibc
internal import RingwaySystem

/// Detects that a configuration file may have changed: it is written, replaced or removed, or a directory or symbolic
/// link at any place of its path is.
struct ConfigurationWatch: ~Copyable {
    /// Readable after an event; negative if nothing is watched.
    let descriptor: Int32
    /// The directory entries whose events matter, by the watch of their directory.
    private var names: [Int32: Set<[UInt8]>] = [:]

    /// Starts watching.
    ///
    /// - Parameter path: the file; `nil` to watch nothing.
    init(_ path: String?) {
        guard let path else {
            descriptor = -1
            return
        }
        let instance = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        descriptor = instance
        guard instance >= 0 else { return }
        // Directories are watched instead of the file, because editors and container engines replace the file.
        let events = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM
        for (directory, entries) in PathTrail(to: path).entries {
            let watch = SystemText.bytes(directory).withUnsafeBufferPointer { bytes in
                bytes.baseAddress.map { inotify_add_watch(instance, $0, UInt32(events) | UInt32(IN_ONLYDIR)) } ?? -1
            }
            // Two directories of the path may be the same, by a bind mount, and then have one watch.
            if watch >= 0 { names[watch, default: []].formUnion(entries.map(Self.bytes)) }
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static func bytes(_ name: String) -> [UInt8] {
        SystemText.bytes(name).dropLast().map { UInt8(bitPattern: $0) }
    }

    /// Reads pending events; returns whether any of them may concern the file.
    borrowing func drain() -> Bool {
        var events = [UInt8](repeating: 0, count: 65_536)
        var matters = false
        while true {
            let count = read(descriptor, &events, events.count)
            guard count > 0 else { return matters }
            if events.withUnsafeBytes({ concernsFile(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }) {
                matters = true
            }
        }
    }

    private borrowing func concernsFile(_ events: UnsafeRawBufferPointer) -> Bool {
        let header = MemoryLayout<inotify_event>.size
        var start = 0
        while events.count - start >= header {
            let event = events.loadUnaligned(fromByteOffset: start, as: inotify_event.self)
            let end = start + header + Int(event.len)
            guard end <= events.count else { return true }
            let found = events[start + header..<end].prefix { $0 != 0 }
            // Events of a directory itself, and the report of lost ones, have no name.
            if found.isEmpty || names[event.wd]?.contains(Array(found)) == true { return true }
            start = end
        }
        return false
    }
}
