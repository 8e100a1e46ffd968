internal import Glibc
internal import RingwayStorage

/// A file descriptor with one owner, closed once, by `close()` or on deinit.
final class Descriptor {
    private(set) var rawValue: Int32
    /// The share in which the descriptor is counted while it is open; `nil` for an adopted descriptor.
    private var share: DescriptorShare?

    /// Takes ownership of a descriptor and makes it non-blocking.
    init(adopting rawValue: Int32) {
        precondition(rawValue >= 0)
        self.rawValue = rawValue
        let flags = fcntl(rawValue, F_GETFL)
        if flags & O_NONBLOCK == 0 { _ = fcntl(rawValue, F_SETFL, flags | O_NONBLOCK) }
    }

    /// A new non-blocking, close-on-exec socket; `nil`, with `errno` set, on failure.
    ///
    /// - Parameter share: the share in which the descriptor is counted until it is closed.
    init?(family: Int32, type: __socket_type, countedBy share: DescriptorShare) {
        // Borrowed descriptors must be closed when another user of the budget needs them. The resolver ends no query
        // for that, so it does not borrow.
        guard share.acquire(mayBorrow: false) == .granted else {
            errno = EMFILE
            return nil
        }
        let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        let socket = socket(family, Int32(type.rawValue) | flags, 0)
        guard socket >= 0 else {
            let error = errno
            share.release()
            errno = error
            return nil
        }
        self.share = share
        rawValue = socket
    }

    var isOpen: Bool { rawValue >= 0 }

    func setOption(level: Int32, name: Int32, value: Int32) {
        var value = value
        _ = setsockopt(rawValue, level, name, &value, socklen_t(MemoryLayout<Int32>.size))
    }

    /// The socket's pending error, or zero.
    func takeError() -> Int32 {
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(rawValue, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
    }

    func close() {
        guard isOpen else { return }
        _ = Glibc.close(rawValue)
        rawValue = -1
        share?.release()
        share = nil
    }

    deinit { close() }
}
