/// The mechanism that executes the operations of a ring.
public enum BackEnd: Sendable, Equatable {
    /// The kernel's io_uring.
    case ioUring
    /// An emulation of io_uring in this process, by non-blocking system calls and epoll. It is slower than io_uring.
    case epoll
    /// A model of a host that follows a script, for simulations (`ScriptedHost`).
    case scripted
}

extension KernelFeatures {
    /// Whether io_uring has every feature that the data path requires.
    public var carriesDataPath: Bool { hasRing && hasBufferRings && hasMultishotReceive && hasRingMessages }

    /// The features of rings on epoll, on any kernel.
    public static var epoll: KernelFeatures {
        var features = KernelFeatures()
        features.backEnd = .epoll
        features.hasBufferRings = true
        features.hasMultishotReceive = true
        features.hasMultishotRead = true
        features.hasRingMessages = true
        return features
    }

    /// The features of scripted rings, which are those of rings on epoll.
    public static var scripted: KernelFeatures {
        var features = epoll
        features.backEnd = .scripted
        return features
    }
}
