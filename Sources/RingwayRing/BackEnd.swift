/// What carries out the operations of a ring.
public enum BackEnd: Sendable, Equatable {
    /// The kernel, by io_uring.
    case ioUring
    /// This process, by system calls that do not wait and by epoll: the same operations at some cost in speed.
    case epoll
    /// A model of a host, by a script: for simulations (`ScriptedHost`).
    case scripted
}

extension KernelFeatures {
    /// Whether io_uring has all that the data path cannot do without.
    public var carriesDataPath: Bool { hasRing && hasBufferRings && hasMultishotReceive && hasRingMessages }

    /// What rings on epoll offer, with any kernel.
    public static var epoll: KernelFeatures {
        var features = KernelFeatures()
        features.backEnd = .epoll
        features.hasBufferRings = true
        features.hasMultishotReceive = true
        features.hasMultishotRead = true
        features.hasRingMessages = true
        return features
    }

    /// What rings on the model of a host offer.
    public static var scripted: KernelFeatures {
        var features = epoll
        features.backEnd = .scripted
        return features
    }
}
