internal import CRingway
internal import Glibc
internal import RingwaySystem

/// A file that is replaced atomically and locked by one process at a time. After a crash or a power failure it has
/// either the old or the new content.
///
/// The lock is on the file itself (flock(2)), so that no lock file is left behind: each new file is locked before it
/// replaces the old one.
struct StateFile: ~Copyable {
    /// Why a file cannot be used.
    enum Obstacle: Error, Equatable {
        /// Another process uses the file.
        case inUse
        case other(String)
    }

    /// The largest size in bytes, more than all permitted leases and published ports need.
    static let maximumSize = 16 << 20

    let path: String
    private var descriptor: Int32
    private var contents: [UInt8]

    /// Opens and locks the file. A file that does not exist is created with mode 0600; its directory must exist.
    init(_ path: String) throws(Obstacle) {
        self.path = path
        descriptor = -1
        contents = []
        try take()
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The content as read when the file was opened, or as written last.
    var bytes: [UInt8] { contents }

    private mutating func take() throws(Obstacle) {
        // Another process may replace the file between the open and the lock; the new file is then opened.
        for _ in 0..<16 {
            let flags = O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC
            let opened = ringway_open(path, flags, 0o600)
            guard opened >= 0 else { throw .other(Self.reason) }
            guard flock(opened, LOCK_EX | LOCK_NB) == 0 else {
                let obstacle: Obstacle = errno == EWOULDBLOCK ? .inUse : .other(Self.reason)
                close(opened)
                throw obstacle
            }
            guard isThere(opened) else {
                close(opened)
                continue
            }
            descriptor = opened
            contents = try read(opened)
            return
        }
        throw .inUse
    }

    /// Whether the path refers to the open file.
    private func isThere(_ opened: Int32) -> Bool {
        var (device, number): (UInt64, UInt64) = (0, 0)
        var status = stat()
        return fstat(opened, &status) == 0 && ringway_file_identity(path, &device, &number) == 0
            && UInt64(status.st_dev) == device && UInt64(status.st_ino) == number
    }

    private func read(_ opened: Int32) throws(Obstacle) -> [UInt8] {
        var status = stat()
        guard fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { throw .other("it is no file") }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        while bytes.count <= Self.maximumSize {
            let count = Glibc.read(opened, &piece, piece.count)
            guard count >= 0 else { throw .other(Self.reason) }
            if count == 0 { break }
            bytes += piece.prefix(count)
        }
        return bytes
    }

    // MARK: Writing

    /// Replaces the content, unless it is the same.
    ///
    /// - Returns: `nil`, or why the content could not be replaced. The old content then remains.
    mutating func write(_ bytes: [UInt8]) -> String? {
        guard bytes != contents else { return nil }
        guard bytes.count <= Self.maximumSize else { return "it would be larger than \(Self.maximumSize >> 20) MiB" }
        let draft = path + ".new"
        // A killed process may have left a draft. Only the process that holds the lock writes drafts.
        _ = ringway_path_unlink(draft)
        let opened = ringway_open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard opened >= 0 else { return Self.reason }
        guard fchmod(opened, 0o600) == 0, flock(opened, LOCK_EX | LOCK_NB) == 0, FileOutput.write(bytes, to: opened),
            fsync(opened) == 0, ringway_path_rename(draft, path) == 0
        else {
            let reason = Self.reason
            close(opened)
            _ = ringway_path_unlink(draft)
            return reason
        }
        close(descriptor)
        descriptor = opened
        contents = bytes
        syncDirectory()
        return nil
    }

    /// Renames the file to `path` with ".broken" appended, and creates and locks an empty file in its place.
    ///
    /// - Returns: the new name of the old file.
    mutating func setAside() throws(Obstacle) -> String {
        let aside = path + ".broken"
        guard ringway_path_rename(path, aside) == 0 else { throw .other(Self.reason) }
        close(descriptor)
        descriptor = -1
        try take()
        return aside
    }

    /// Makes the rename survive a power failure.
    private func syncDirectory() {
        let directory = ringway_open(StatePath.directory(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard directory >= 0 else { return }
        fsync(directory)
        close(directory)
    }

    private static var reason: String { String(cString: strerror(errno)) }
}
