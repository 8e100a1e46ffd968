import RingwayRing

/// Same operations, same tests: what carries them out on this machine.
extension BackEnd {
    static var here: [BackEnd] { KernelFeatures.probe().carriesDataPath ? [.ioUring, .epoll] : [.epoll] }

    /// What a ring of this back end is made from.
    var features: KernelFeatures { self == .epoll ? .epoll : .probe() }
}
