/// How the model of a host differs from one that does everything at once: swarm testing, each kind of fault is on or off
/// and its rate drawn anew, so that rare combinations come up.
struct HostScript: Sendable {
    /// An operation is attempted later than it was submitted, or than its file changed, by up to `attemptDelay`.
    var lateAttempts = 0.0
    var attemptDelay: UInt64 = 0
    /// A completion is told later than the operation ended, by up to `completionDelay`.
    var lateCompletions = 0.0
    var completionDelay: UInt64 = 0
    /// An operation on a stream moves less than it could.
    var shortMoves = 0.0
    /// The kernel has no memory, or a signal came in between.
    var shortages = 0.0
    /// The ring has no buffer for what is to be received.
    var missingBuffers = 0.0
    /// A multishot operation ends by itself.
    var multishotEnds = 0.0
    /// A cancel comes too late for an operation that is under way.
    var lateCancels = 0.0
    /// No descriptor is left.
    var missingDescriptors = 0.0
    /// A frame to the guest is not taken.
    var lostWrites = 0.0
    /// A connect is answered by the call itself.
    var promptConnects = 0.0
    /// Bytes that a stream holds in each direction.
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
