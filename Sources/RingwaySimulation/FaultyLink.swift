/// One direction of a link between guest and stack: decides which frames arrive, when, and how they are damaged.
struct FaultyLink {
    struct Delivery {
        var frame: [UInt8]
        var time: UInt64
        /// Whether the frame is unchanged.
        var isIntact: Bool
    }

    let faults: LinkFaults
    /// The link has no faults from this time on, so that every connection that has not failed can complete.
    let healsAt: UInt64
    private var random: SplitMix64
    private var lastDelivery: UInt64 = 0
    /// When a link with a limited rate will have sent everything in its queue.
    private var sentAt: UInt64 = 0
    private var toLose = 0

    init(_ faults: LinkFaults, healsAt: UInt64, random: SplitMix64) {
        self.faults = faults
        self.healsAt = healsAt
        self.random = random
    }

    mutating func carry(_ frame: [UInt8], now: UInt64) -> [Delivery] {
        guard now < healsAt else { return [Delivery(frame: frame, time: inOrder(now), isIntact: true)] }
        guard let now = timeOnWire(of: frame, now) else { return [] }
        if toLose > 0 {
            toLose -= 1
            return []
        }
        if random.chance(faults.loss) {
            toLose = random.integer(0...faults.lossBurst)
            return []
        }
        var deliveries = [deliver(frame, now)]
        while deliveries.count < 4, random.chance(faults.duplication) { deliveries.append(deliver(frame, now)) }
        return deliveries
    }

    /// When the link will have sent the frame: `now` if its rate is unlimited; `nil` if its queue is full.
    private mutating func timeOnWire(of frame: [UInt8], _ now: UInt64) -> UInt64? {
        guard faults.rate > 0 else { return now }
        let begins = max(sentAt, now)
        guard (begins - now) * faults.rate / 1_000_000_000 <= faults.queue else { return nil }
        sentAt = begins + UInt64(frame.count) * 1_000_000_000 / faults.rate
        return sentAt
    }

    private mutating func deliver(_ frame: [UInt8], _ now: UInt64) -> Delivery {
        var delivery = Delivery(frame: frame, time: 0, isIntact: true)
        delivery.time =
            random.chance(faults.reordering)
            ? now + faults.delay + random.time(0...faults.reorderDelay) : inOrder(now)
        // The first eight bytes of an IPv6 header are not changed, because no checksum covers most of their fields.
        let firstBit = (FrameLayout.ip + (FrameLayout.isIPv4(frame) ? 0 : 8)) * 8
        if random.chance(faults.corruption), !FrameLayout.hasPartialChecksum(frame) {
            let bit = random.integer(firstBit...frame.count * 8 - 1)
            delivery.frame[bit / 8] ^= 1 << UInt8(bit % 8)
            delivery.isIntact = false
        }
        return delivery
    }

    private mutating func inOrder(_ now: UInt64) -> UInt64 {
        lastDelivery = max(lastDelivery, now + faults.delay)
        return lastDelivery
    }
}
