import RingwayRing

/// The same tests for each back end on this machine.
extension BackEnd {
    static var here: [BackEnd] { KernelFeatures.probe().carriesDataPath ? [.ioUring, .epoll] : [.epoll] }

    /// The features with which a ring of this back end is created.
    var features: KernelFeatures { self == .epoll ? .epoll : .probe() }
}
