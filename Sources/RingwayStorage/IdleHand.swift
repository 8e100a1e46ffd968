/// Finds a slab element that has not been used for long, without a list in order of use, which would cost every packet:
/// it samples some elements, and the next call continues after them.
///
/// If there are at most `sample` elements, the result is the longest idle.
public struct IdleHand: BitwiseCopyable, Sendable {
    /// The number of slots to sample.
    public static var sample: UInt32 { 256 }

    private var next: UInt32 = 0

    public init() {}

    /// The least recently used element's slot and time of use; `nil` if no element has a time.
    ///
    /// - Parameter lastUse: the time of an element's last use; `nil` to skip it.
    public mutating func idlest<Element: BitwiseCopyable>(
        of slab: borrowing Slab<Element>, lastUse: (UnsafeMutablePointer<Element>) -> UInt64?
    ) -> (slot: UInt32, usedAt: UInt64)? {
        let count = slab.highWater
        var found: (slot: UInt32, usedAt: UInt64)?
        var slot = next < count ? next : 0
        for _ in 0..<min(count, Self.sample) {
            if let element = slab.pointer(inSlot: slot), let usedAt = lastUse(element), usedAt < found?.usedAt ?? .max {
                found = (slot, usedAt)
            }
            slot += 1
            if slot == count { slot = 0 }
        }
        next = slot
        return found
    }
}
