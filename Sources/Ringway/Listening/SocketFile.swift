internal import CRingway
internal import Glibc

/// The file of a unix socket, identified by device and inode, so that `remove` removes no other file at its path.
package struct SocketFile: Sendable {
    package let path: String
    private let device: UInt64
    private let number: UInt64

    /// Binds a new socket to the path. The file of a socket that refuses connections, because its process has ended,
    /// is replaced; a socket in use, or another kind of file, is an error.
    ///
    /// - Parameter mode: the permissions of the file, from its creation on.
    static func bind(
        _ path: String, type: __socket_type, mode: mode_t
    ) throws(VirtualNetwork.Failure) -> (descriptor: Int32, file: SocketFile) {
        let flags = Int32(type.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(AF_UNIX, flags, 0)
        guard descriptor >= 0 else { throw failure("make the socket", path, errno) }
        do throws(VirtualNetwork.Failure) {
            // The file gets the permissions of the socket, less the umask. They are set before the bind, so that the
            // file never has wider ones.
            fchmod(descriptor, mode)
            if bind(descriptor, path) != 0 {
                guard errno == EADDRINUSE else { throw failure("make the socket", path, errno) }
                try removeStale(path, type: flags)
                guard bind(descriptor, path) == 0 else { throw failure("make the socket", path, errno) }
            }
            return (descriptor, try take(path, mode: mode))
        } catch {
            close(descriptor)
            throw error
        }
    }

    /// Identifies the file of a socket that was just bound, and sets its permissions. On an error the file is removed.
    private static func take(_ path: String, mode: mode_t) throws(VirtualNetwork.Failure) -> SocketFile {
        var device: UInt64 = 0
        var number: UInt64 = 0
        guard ringway_file_identity(path, &device, &number) == 0 else {
            let error = errno
            _ = ringway_path_unlink(path)
            throw failure("find", path, error)
        }
        let file = SocketFile(path: path, device: device, number: number)
        guard ringway_socket_chmod(path, mode) == 0 else {
            let error = errno
            file.remove()
            throw failure("set the permissions of", path, error)
        }
        return file
    }

    /// Opens a listening stream socket that only the process's user may connect to. The directory is locked from bind
    /// to listen: otherwise another process could find, in between, that nothing listens, and remove the file.
    package static func listenPrivately(
        _ path: String, backlog: Int32
    ) throws(VirtualNetwork.Failure) -> (descriptor: Int32, file: SocketFile) {
        let lock = DirectoryLock(of: path)
        defer { lock.release() }
        let (descriptor, file) = try bind(path, type: SOCK_STREAM, mode: 0o600)
        guard listen(descriptor, backlog) == 0 else {
            let error = errno
            close(descriptor)
            file.remove()
            throw failure("listen at", path, error)
        }
        return (descriptor, file)
    }

    /// Removes the file of a stream socket that belongs to the caller's user and on which no process listens. Returns
    /// whether it was removed.
    @discardableResult
    package static func removeAbandoned(_ path: String) -> Bool {
        let lock = DirectoryLock(of: path)
        defer { lock.release() }
        var (mode, owner): (mode_t, uid_t) = (0, 0)
        guard ringway_path_status(path, false, &mode, &owner) == 0, mode & S_IFMT == S_IFSOCK, owner == geteuid()
        else { return false }
        let probe = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return false }
        defer { close(probe) }
        guard connect(probe, path) != 0, errno == ECONNREFUSED else { return false }
        return ringway_path_unlink(path) == 0
    }

    /// Removes the file, unless its path leads to another file by now.
    package func remove() {
        var device: UInt64 = 0
        var number: UInt64 = 0
        guard ringway_file_identity(path, &device, &number) == 0, device == self.device, number == self.number
        else { return }
        _ = ringway_path_unlink(path)
    }

    private static func removeStale(_ path: String, type: Int32) throws(VirtualNetwork.Failure) {
        let kind = ringway_path_type(path)
        guard kind != 0 else { return }
        guard kind == S_IFSOCK else {
            throw VirtualNetwork.Failure("cannot listen at \(path): it exists and is no socket")
        }
        let probe = socket(AF_UNIX, type, 0)
        guard probe >= 0 else { throw failure("make the socket", path, errno) }
        defer { close(probe) }
        let reason = connect(probe, path) == 0 ? 0 : errno
        guard reason == ECONNREFUSED else {
            throw VirtualNetwork.Failure("cannot listen at \(path): another process does", .pathInUse)
        }
        _ = ringway_path_unlink(path)
    }

    /// The ID of the process that listens on the server socket to which `descriptor` is connected (SO_PEERCRED);
    /// `nil` if that process is not visible in this PID namespace.
    package static func listener(of descriptor: Int32) -> Int32? {
        var credentials = (process: Int32(0), user: UInt32(0), group: UInt32(0))
        var length = socklen_t(MemoryLayout.size(ofValue: credentials))
        guard getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0, credentials.process > 0
        else { return nil }
        return credentials.process
    }

    // MARK: Paths as socket addresses

    package static func connect(_ descriptor: Int32, _ path: String) -> Int32 {
        withAddress(path) { Glibc.connect(descriptor, $0, $1) }
    }

    private static func bind(_ descriptor: Int32, _ path: String) -> Int32 {
        withAddress(path) { Glibc.bind(descriptor, $0, $1) }
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = ringway_text_bytes(path)
        defer { free(bytes) }
        let length = bytes.map { strlen($0) } ?? 0
        guard length < MemoryLayout.size(ofValue: address.sun_path) else {
            errno = ENAMETOOLONG
            return -1
        }
        withUnsafeMutableBytes(of: &address.sun_path) {
            $0.copyMemory(from: UnsafeRawBufferPointer(start: bytes, count: length))
        }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }

    private static func failure(_ verb: String, _ path: String, _ error: Int32) -> VirtualNetwork.Failure {
        VirtualNetwork.Failure("cannot \(verb) \(path): \(String(cString: strerror(error)))")
    }
}

/// A lock on a socket's directory, held while an abandoned socket is looked for and replaced. Without it two processes
/// could both find the socket abandoned, and the second would remove the first one's new socket.
private struct DirectoryLock {
    /// The number of attempts, at intervals of 10 ms; after the last, `init` returns without the lock. Limited,
    /// because any process that can read a directory could hold its lock.
    private static var attempts: Int { 100 }

    private let descriptor: Int32

    init(of path: String) {
        let slash = path.lastIndex(of: "/")
        let directory = slash.map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        descriptor = ringway_open(directory, O_RDONLY | O_DIRECTORY, 0)
        guard descriptor >= 0 else { return }
        for _ in 0..<Self.attempts {
            if flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK { return }
            usleep(10_000)
        }
    }

    func release() { if descriptor >= 0 { close(descriptor) } }
}
