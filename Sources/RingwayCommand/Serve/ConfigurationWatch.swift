internal import Glibc

/// Detects that a configuration file may have changed: it is written, replaced or removed. If its path is a symbolic
/// link, changes in the link's directory and in the directory of the link's final target are detected.
struct ConfigurationWatch: ~Copyable {
    /// Readable after an event; negative if nothing is watched.
    let descriptor: Int32
    /// The directory entry whose events matter. `nil` if the path may be a symbolic link; then all events matter.
    private let name: String?

    /// Starts watching.
    ///
    /// - Parameter path: the file; `nil` to watch nothing.
    init(_ path: String?) {
        guard let path else {
            descriptor = -1
            name = nil
            return
        }
        let (directory, last) = Self.split(path)
        let resolved = Self.split(Self.resolve(path) ?? path)
        name = resolved == (Self.resolve(directory) ?? directory, last) ? last : nil
        descriptor = inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC))
        guard descriptor >= 0 else { return }
        // Directories are watched instead of the file, because editors and container engines replace the file.
        let events = IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM
        for directory in Set([directory, resolved.directory]) {
            SystemText.bytes(directory).withUnsafeBufferPointer { bytes in
                guard let path = bytes.baseAddress else { return }
                inotify_add_watch(descriptor, path, UInt32(events) | UInt32(IN_ONLYDIR))
            }
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    private static func resolve(_ path: String) -> String? {
        let bytes = SystemText.bytes(path)
        guard let resolved = bytes.withUnsafeBufferPointer({ $0.baseAddress.flatMap { realpath($0, nil) } }) else {
            return nil
        }
        defer { free(resolved) }
        return SystemText.text(resolved)
    }

    private static func split(_ path: String) -> (directory: String, name: String) {
        guard let slash = path.lastIndex(of: "/") else { return (".", path) }
        return (slash == path.startIndex ? "/" : String(path[..<slash]), String(path[path.index(after: slash)...]))
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
        guard let name else { return true }
        let header = MemoryLayout<inotify_event>.size
        var start = 0
        while events.count - start >= header {
            let event = events.loadUnaligned(fromByteOffset: start, as: inotify_event.self)
            let end = start + header + Int(event.len)
            guard end <= events.count else { return true }
            let found = events[start + header..<end].prefix { $0 != 0 }
            if found.isEmpty || found.elementsEqual(SystemText.bytes(name).dropLast().map { UInt8(bitPattern: $0) }) {
                return true
            }
            start = end
        }
        return false
    }
}
