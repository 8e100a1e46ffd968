internal import CRingway
internal import Glibc

/// Detects that a namespace's name is no longer valid: the process has ended, or the file refers to something else.
struct NamespaceWatch: ~Copyable {
    /// A pidfd, readable when the process has ended; negative if no process names the namespace.
    let descriptor: Int32
    private let path: String?
    private let identity: Identity?

    private struct Identity: Equatable {
        let device: UInt64
        let number: UInt64

        init?(_ path: String) {
            var device: UInt64 = 0
            var number: UInt64 = 0
            guard ringway_file_identity(path, &device, &number) == 0 else { return nil }
            self.device = device
            self.number = number
        }
    }

    /// Starts watching. Throws if there is no such process. A path that does not exist is no error here, because
    /// joining the namespace reports it.
    init(_ origin: GuestOrigin) throws(CommandFailure) {
        switch origin {
        case .process(let process):
            descriptor = ringway_process_descriptor(process)
            path = nil
            identity = nil
            guard descriptor >= 0 else {
                throw CommandFailure("cannot watch process \(process): \(String(cString: strerror(errno)))")
            }
        case .path(let path):
            descriptor = -1
            self.path = path
            identity = Identity(path)
        case .command, .trial:
            descriptor = -1
            path = nil
            identity = nil
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Whether `isGone` must be polled: true if a file names the namespace, because inotify does not report all
    /// changes, for example not those of files in `/proc`.
    var needsPolling: Bool { path != nil }

    /// Whether the file no longer refers to the original namespace. False if no file names the namespace.
    var isGone: Bool {
        guard let path else { return false }
        return Identity(path) != identity
    }
}
