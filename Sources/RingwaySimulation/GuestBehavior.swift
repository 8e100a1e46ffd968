/// The behaviour of a model guest's TCP and application, within what the RFCs permit.
struct GuestBehavior: Sendable {
    // The content of the SYN.
    var maximumSegmentSize: Int?
    var windowScale: Int?
    var permitsSACK = true
    /// Offers RFC 7323 timestamps, and sends them in every segment if the stack agrees.
    var offersTimestamps = false
    var padsOptionsFirst = true

    // Receiving.
    var receiveBuffer = 65_536
    /// The most bytes that the application reads at a time.
    var readSize = 65_536
    /// The longest time between reads, in nanoseconds.
    var readInterval: UInt64 = 1_000_000
    /// Chance that a long pause, in which the window may close, precedes the next read.
    var pauseChance = 0.0
    var pause: UInt64 = 0
    /// The longest delay of an acknowledgement in nanoseconds; zero acknowledges immediately.
    var acknowledgementDelay: UInt64 = 0
    /// Whether the window's right edge advances only by at least a segment or half of the buffer, whichever is less
    /// (RFC 9293 §3.8.6.2.2).
    var avoidsSillyWindows = true
    /// Chance, per out-of-order segment, of discarding selectively acknowledged data (permitted by RFC 2018 §8).
    var renegeChance = 0.0

    // Sending.
    /// The most segments that are passed to the link as one super-frame (GSO).
    var segmentsPerFrame = 1
    /// Whether every segment has a partial checksum; super-frames always have one.
    var leavesChecksum = false
    var congestionWindow = 1 << 20
    var writeSize = 65_536
    var writeInterval: UInt64 = 1_000_000
    var honorsSACK = true
    var goesBackN = false
    var retransmitsFast = true
    var shortestTimeout: UInt64 = 200_000_000
    var holdsBackSmallSegments = false
    /// Whether FIN is sent even when the window is closed.
    var finIgnoresWindow = false
    /// Whether a closed window is probed with a byte beyond it. If not, an empty segment with an old sequence number
    /// probes it, as Linux does.
    var probesWithData = false

    init() {}

    init(from random: inout SplitMix64, byteCount: Int) {
        maximumSegmentSize = random.pick([nil, 536, 1_220, 1_440, 1_460, 8_960, random.integer(88...1_460), 65_495])
        windowScale = random.pick([nil, 0, 1, 7, 10, 14])
        permitsSACK = random.chance(0.7)
        offersTimestamps = random.chance(0.5)
        padsOptionsFirst = random.chance(0.5)

        receiveBuffer = max(2 * (maximumSegmentSize ?? 536), 1_024 << random.integer(0...10))
        // A window smaller than the unit of its scale would stay closed forever.
        if let scale = windowScale { receiveBuffer = max(receiveBuffer, 4 << scale) }
        readSize = max(receiveBuffer / 8, random.skewed(receiveBuffer))
        readInterval = UInt64(random.skewed(20_000_000)) + 1_000
        if random.chance(0.25) {
            pauseChance = random.fraction() * 0.1
            pause = UInt64(random.skewed(8_000)) * 1_000_000
        }
        if random.chance(0.5) { acknowledgementDelay = UInt64(random.skewed(40)) * 1_000_000 }
        avoidsSillyWindows = byteCount > 20_000 || random.chance(0.8)
        if permitsSACK, random.chance(0.1) { renegeChance = 0.05 }

        if random.chance(0.5) { segmentsPerFrame = random.integer(2...44) }
        leavesChecksum = random.chance(0.5)
        congestionWindow = random.chance(0.5) ? 1 << 20 : max(8_192, random.skewed(200_000))
        writeSize = max(byteCount / 100, random.skewed(131_072), 1)
        writeInterval = UInt64(random.skewed(10_000_000)) + 1_000
        honorsSACK = random.chance(0.7)
        goesBackN = random.chance(0.2)
        retransmitsFast = random.chance(0.8)
        shortestTimeout = random.pick([200_000_000, 200_000_000, 500_000_000, 1_000_000_000])
        holdsBackSmallSegments = random.chance(0.3)
        finIgnoresWindow = random.chance(0.3)
        probesWithData = random.chance(0.4)
    }
}
