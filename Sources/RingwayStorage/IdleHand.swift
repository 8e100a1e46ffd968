/// Finds an element of a slab that has not been used for long, where keeping all of them in that order would cost every
/// packet something: it looks at some of them, and goes on behind those the next time.
///
/// Where there are no more than `sample`, what it finds is the one idle for longest.
public struct IdleHand: BitwiseCopyable, Sendable {
    /// Slots that are looked at.
    public static var sample: UInt32 { 256 }

    private var next: UInt32 = 0

    public init() {}

    /// The slot of the element that was used least recently, and when that was; `nil` when none has a time.
    ///
    /// - Parameter lastUse: when an element was used; `nil` for those that do not count.
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
