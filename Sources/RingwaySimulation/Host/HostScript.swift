/// How the model host deviates from a host that completes every operation immediately. A `Double` is the probability
/// of what its comment says. Swarm testing: each kind of fault is on or off, with a random rate, so that rare
/// combinations occur.
struct HostScript: Sendable {
    /// An operation is attempted up to `attemptDelay` after it was submitted, or after its file became ready.
    var lateAttempts = 0.0
    var attemptDelay: UInt64 = 0
    /// A completion is posted up to `completionDelay` after the operation ended.
    var lateCompletions = 0.0
    var completionDelay: UInt64 = 0
    /// An operation on a stream moves fewer bytes than it could.
    var shortMoves = 0.0
    /// An operation on a socket fails for lack of memory (ENOBUFS, ENOMEM) or temporarily (EAGAIN, EINTR).
    var shortages = 0.0
    /// The buffer ring has no buffer for a received frame, datagram or part of a stream.
    var missingBuffers = 0.0
    /// A successful completion lacks IORING_CQE_F_MORE, which ends its multishot operation.
    var multishotEnds = 0.0
    /// A cancel fails with EALREADY, because the operation is being executed.
    var lateCancels = 0.0
    /// A call that opens a descriptor fails with EMFILE.
    var missingDescriptors = 0.0
    /// The write of a frame to the guest fails with ENOBUFS.
    var lostWrites = 0.0
    /// The connect call succeeds or fails immediately.
    var promptConnects = 0.0
    /// The most bytes that a stream buffers in each direction.
    var streamRoom = 65_536

    init(from random: inout SplitMix64) {
        let worst = random.pick([0.02, 0.1, 0.3])
        if random.chance(0.6) { (lateAttempts, attemptDelay) = (random.fraction(), Self.delay(&random)) }
        if random.chance(0.6) { (lateCompletions, completionDelay) = (random.fraction(), Self.delay(&random)) }
        if random.chance(0.6) { shortMoves = random.fraction() }
        if random.chance(0.4) { shortages = random.fraction() * worst }
        if random.chance(0.4) { missingBuffers = random.fraction() * worst }
        if random.chance(0.4) { multishotEnds = random.fraction() * worst }
        lateCancels = random.chance(0.5) ? random.fraction() : 0
        if random.chance(0.3) { missingDescriptors = random.fraction() * worst }
        if random.chance(0.3) { lostWrites = random.fraction() * worst / 3 }
        promptConnects = random.pick([0, 0.5, 1])
        streamRoom = random.pick([4_096, 65_536, 65_536, 1 << 20])
    }

    private static func delay(_ random: inout SplitMix64) -> UInt64 { UInt64(random.skewed(20_000_000)) + 1 }
}
