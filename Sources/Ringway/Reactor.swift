internal import Glibc
internal import RingwayRing

/// The mechanism for I/O on the threads of the data path.
public enum Reactor: String, Sendable, CaseIterable, Hashable {
    /// io_uring: the kernel executes batches of operations (Linux 6.0).
    case ioUring = "io_uring"
    /// epoll(7): the same operations, each by a system call of its own, on any kernel.
    case epoll
}

extension VirtualNetwork {
    /// The kernel features that the data path uses with this reactor; `nil` stands for io_uring if it can be used,
    /// and otherwise for epoll. Throws if io_uring is requested and cannot be used.
    static func features(for reactor: Reactor?) throws(Failure) -> RingwayRing.KernelFeatures {
        if reactor == .epoll { return .epoll }
        let features = RingwayRing.KernelFeatures.current()
        guard let obstacle = obstacle(to: features) else { return features }
        guard reactor == nil else {
            throw Failure(
                "\(obstacle.reason): \(obstacle.remedy), or choose epoll")
        }
        return .epoll
    }

    /// Why io_uring cannot be used, and the remedy; `nil` if it can.
    static func obstacle(to features: RingwayRing.KernelFeatures) -> (reason: String, remedy: String)? {
        if features.carriesDataPath { return nil }
        if features.hasRing { return ("this kernel's io_uring lacks what Linux 6.0 brought", "use Linux 6.0 or newer") }
        switch features.ringError {
        case EPERM, EACCES:
            return (
                "io_uring is forbidden here",
                "set the sysctl kernel.io_uring_disabled to 0, or allow io_uring_setup, io_uring_enter and "
                    + "io_uring_register in the container's seccomp profile"
            )
        case ENOSYS: return ("this kernel has no io_uring", "use Linux 6.0 or newer")
        case let error:
            return ("this kernel gives no io_uring (\(String(cString: strerror(error))))", "raise what it is short of")
        }
    }
}
