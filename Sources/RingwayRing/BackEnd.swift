/// The mechanism that executes the operations of a ring.
public enum BackEnd: Sendable, Equatable {
    /// The kernel's io_uring.
    case ioUring
    /// Non-blocking system calls and epoll in this process: the same operations, but slower.
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

    /// The features of rings on the model of a host.
    public static var scripted: KernelFeatures {
        var features = epoll
        features.backEnd = .scripted
        return features
    }
}
