internal import Glibc
internal import RingwaySystem

/// Reads `resolv.conf`, and reads it again whenever it may have changed.
///
/// The file may be replaced by rename, it may be a link, and the link's target may be replaced, too. So every directory
/// with an entry on the path is watched (`PathTrail`), for these entries only. The file itself is watched as well, for
/// writes through another mount.
///
/// A file that is missing at the start counts as empty. If it disappears later, its last content stays in force: a gap
/// between unlink and create must not fail a query.
///
/// If inotify has no instance or no watch left (`fs.inotify.max_user_instances` is 128 for all processes of a user),
/// the file is read again on queries, at most once a second.
final class ResolvConfFollower: LoopMember {
    /// The most bytes that are read: more than any real file has. The rest is ignored.
    private static let mostBytes = 64 << 10

    private let path: String
    private let port: UInt16
    private let loop: EventLoop
    private let oldAge: UInt64
    private let notifications: Descriptor?
    private let followed: (ResolvConf) -> Void

    /// The names of interest in each watched directory.
    private var directoryWatches: [Int32: Set<String>] = [:]
    private var fileWatch: Int32?
    private var isWatching = false
    private var lastRead: UInt64 = 0

    /// The last content of the file.
    private(set) var current: ResolvConf

    /// - Parameters:
    ///   - isNotified: whether to use inotify, if available.
    ///   - oldAge: the maximum age of the content without notifications, in nanoseconds.
    ///   - followed: called after each reading but the first.
    init(
        path: String, port: UInt16, loop: EventLoop, isNotified: Bool = true, oldAge: UInt64 = 1_000_000_000,
        followed: @escaping (ResolvConf) -> Void
    ) {
        self.path = path
        self.port = port
        self.loop = loop
        self.oldAge = oldAge
        self.followed = followed
        current = ResolvConf(parsing: [], port: port)
        let inotify = isNotified ? inotify_init1(Int32(IN_NONBLOCK) | Int32(IN_CLOEXEC)) : -1
        notifications = inotify >= 0 ? Descriptor(adopting: inotify) : nil
        super.init()
        if let notifications { loop.register(self, descriptor: notifications.rawValue, interest: .read) }
        refresh()
    }

    /// Stops following the file.
    func close() {
        loop.remove(self)
        notifications?.close()
    }

    /// Reads the file again if inotify does not watch it and the last reading is older than `oldAge`.
    func refreshIfUnwatched() {
        guard !isWatching, MonotonicClock.now() - lastRead > oldAge else { return }
        refresh()
        followed(current)
    }

    override func ready(_ events: EventLoop.Events) {
        guard takeNotifications() else { return }
        refresh()
        followed(current)
    }

    private func refresh() {
        // Watches are set before reading, so that changes in between cause a notification.
        watchTrail()
        lastRead = MonotonicClock.now()
        if let contents = read() { current = ResolvConf(parsing: contents, port: port) }
    }

    private func read() -> [UInt8]? {
        // Non-blocking, in case it is a pipe.
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else { return nil }
        let descriptor = Descriptor(adopting: file)
        defer { descriptor.close() }
        var contents: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while contents.count < Self.mostBytes {
            let count = Glibc.read(descriptor.rawValue, &buffer, buffer.count)
            if count < 0 { return nil }
            if count == 0 { break }
            contents += buffer[..<count]
        }
        return Array(contents.prefix(Self.mostBytes))
    }

    // MARK: Watching

    private func watchTrail() {
        guard let notifications else { return }
        var trail = PathTrail(to: path)
        // If the trail changed while its watches were being set, it is walked again; later changes cause notifications.
        for _ in 0..<8 {
            watch(trail, through: notifications)
            let now = PathTrail(to: path)
            if now == trail { return }
            trail = now
        }
    }

    private func watch(_ trail: PathTrail, through notifications: Descriptor) {
        var renewed: [Int32: Set<String>] = [:]
        isWatching = true
        let entryEvents = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE
        let mask = UInt32(entryEvents) | UInt32(IN_ONLYDIR) | UInt32(IN_DELETE_SELF) | UInt32(IN_MOVE_SELF)
        for (directory, names) in trail.entries {
            let watch = inotify_add_watch(notifications.rawValue, directory, mask)
            if watch >= 0 {
                // Two directories of the trail may be the same, by a bind mount.
                renewed[watch, default: []].formUnion(names)
            } else if errno == ENOSPC || errno == ENOMEM {
                isWatching = false
            }
        }
        let file = trail.file.map { inotify_add_watch(notifications.rawValue, $0, UInt32(IN_CLOSE_WRITE)) }
        for watch in Array(directoryWatches.keys) + [fileWatch].compactMap(\.self)
        where renewed[watch] == nil && watch != file {
            inotify_rm_watch(notifications.rawValue, watch)
        }
        directoryWatches = renewed
        fileWatch = file.flatMap { $0 >= 0 ? $0 : nil }
    }

    /// Reads pending notifications; returns whether one of them may concern the file.
    private func takeNotifications() -> Bool {
        guard let notifications else { return false }
        var matters = false
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = Glibc.read(notifications.rawValue, &buffer, buffer.count)
            guard count > 0 else { return matters }
            if buffer.withUnsafeBytes({ concernFile(UnsafeRawBufferPointer(rebasing: $0.prefix(count))) }) {
                matters = true
            }
        }
    }

    /// Whether one of these notifications may concern the file.
    private func concernFile(_ notifications: UnsafeRawBufferPointer) -> Bool {
        var rest = notifications
        var matters = false
        let headerLength = MemoryLayout<inotify_event>.size
        while rest.count >= headerLength {
            let event = rest.loadUnaligned(as: inotify_event.self)
            let whole = headerLength + Int(event.len)
            guard rest.count >= whole else { break }
            let name = rest[headerLength..<whole].prefix { $0 != 0 }
            if concernsFile(event, name: String(decoding: name, as: UTF8.self)) { matters = true }
            rest = UnsafeRawBufferPointer(rebasing: rest[whole...])
        }
        return matters
    }

    private func concernsFile(_ event: inotify_event, name: String) -> Bool {
        if event.mask & UInt32(IN_Q_OVERFLOW) != 0 || event.wd == fileWatch { return true }
        guard let names = directoryWatches[event.wd] else { return false }
        // Without a name the event is about the directory itself.
        return name.isEmpty || names.contains(name)
    }
}
