/// Limits how many neighbours' frames are sent from a guest's inbox to its link in one batch. Data from host sockets
/// waits for at most one batch. A batch is therefore small, but large enough for full throughput between two guests.
///
/// While the link still holds frames that the guest has not read, a full batch would delay the next data from host
/// sockets. A batch then has only `least` frames, and the next one follows after a `pause`: neighbours' frames become
/// slower than other traffic, but do not stop.
struct NeighborBudget: Equatable {
    /// While the link is quiet, the most frames and the most bytes of a batch. While it is busy, the frames of a batch.
    static var most: Int { 32 }
    static var lotBytes: Int { 1 << 20 }
    static var least: Int { 2 }
    /// Nanoseconds between two batches while the link is busy.
    static var pause: UInt64 { 100_000 }
    /// The link counts as quiet if it holds at most this many frames of average length, and at most this many bytes.
    private static var quietFrames: Int { 64 }
    private static var quietMost: Int { 128 << 10 }

    /// The earliest time for the next batch while the link is busy, in monotonic nanoseconds.
    private(set) var nextLot: UInt64 = 0
    /// Moving average of the frame length, in bytes.
    private var average = 1_500

    /// The link counts as quiet if it holds at most this many bytes.
    var quietBytes: Int { min(Self.quietMost, Self.quietFrames * average) }

    /// The number of frames that may be taken now.
    ///
    /// - Parameter isLinkQuiet: whether the link holds at most `quietBytes`.
    mutating func frames(isLinkQuiet: Bool, now: UInt64) -> Int {
        guard isLinkQuiet || now >= nextLot else { return 0 }
        nextLot = now &+ Self.pause
        return isLinkQuiet ? max(Self.least, min(Self.most, Self.lotBytes / average)) : Self.least
    }

    /// Updates the average when a frame is queued.
    @inline(__always)
    mutating func note(bytes: Int) { average = max(64, average &+ (bytes &- average) / 8) }
}
