/// Finds a slab element that has been idle for a long time. An LRU list would have to be updated for every packet, so
/// there is none. Instead each call examines the next `sample` slots, starting where the previous call stopped, and
/// returns the one among them that has been idle longest.
///
/// If no more than `sample` slots have ever been used, each call examines all of them.
public struct IdleHand: BitwiseCopyable, Sendable {
    /// The number of slots that one call examines.
    public static var sample: UInt32 { 256 }

    private var next: UInt32 = 0

    public init() {}

    /// The slot and last use of the element that has been idle longest among those examined; `nil` if `lastUse` has
    /// returned `nil` for all of them.
    ///
    /// - Parameter lastUse: returns the time of an element's last use, or `nil` to skip the element.
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
