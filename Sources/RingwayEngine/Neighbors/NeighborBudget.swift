/// How many frames of neighbours a guest is given from its inbox at a time: so many that two guests lose no
/// throughput, and so few that what comes from host sockets never waits behind more than one lot of them.
///
/// While the link still holds frames that the guest has not read, a lot would only lie before the next answer of the
/// host's. Then a few are taken at intervals, so that neighbours are slow beside a guest's own traffic and not cut off.
struct NeighborBudget: Equatable {
    /// Frames, and bytes, taken at a time when the link has little to carry, and frames when it has more.
    static var most: Int { 32 }
    static var lotBytes: Int { 1 << 20 }
    static var least: Int { 2 }
    /// Nanoseconds between two lots while the link has much to carry.
    static var pause: UInt64 { 100_000 }
    /// What a link may hold and still count as having little to carry: so many frames and bytes.
    private static var quietFrames: Int { 64 }
    private static var quietMost: Int { 128 << 10 }

    /// When the next frames may be taken though the link is busy, in monotonic nanoseconds.
    private(set) var nextLot: UInt64 = 0
    /// Bytes of a frame, on the average of the last ones.
    private var average = 1_500

    /// Bytes that the link may hold for a whole lot to be taken.
    var quietBytes: Int { min(Self.quietMost, Self.quietFrames * average) }

    /// The frames that may be taken now.
    ///
    /// - Parameter isLinkQuiet: whether it holds no more than `quietBytes`.
    mutating func frames(isLinkQuiet: Bool, now: UInt64) -> Int {
        guard isLinkQuiet || now >= nextLot else { return 0 }
        nextLot = now &+ Self.pause
        return isLinkQuiet ? max(Self.least, min(Self.most, Self.lotBytes / average)) : Self.least
    }

    /// A frame has come.
    @inline(__always)
    mutating func note(bytes: Int) { average = max(64, average &+ (bytes &- average) / 8) }
}
