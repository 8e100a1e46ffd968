/// Members of a slab in the order of their last use: the first is the one idle for longest. The links live in the
/// members themselves.
struct AgeList {
    private(set) var oldest: UInt32 = .max
    private(set) var newest: UInt32 = .max
    private let links: UnsafeMutableRawPointer
    private let stride: Int

    /// - Parameters:
    ///   - base: the slab's first element.
    ///   - offset: where an element keeps its `AgeLinks`.
    init<Element: BitwiseCopyable>(of base: UnsafeMutablePointer<Element>, offset: Int?) {
        guard let offset else { preconditionFailure("the links are a stored property") }
        links = UnsafeMutableRawPointer(base) + offset
        stride = MemoryLayout<Element>.stride
    }

    private func links(_ slot: UInt32) -> UnsafeMutablePointer<AgeLinks> {
        (links + Int(slot) &* stride).assumingMemoryBound(to: AgeLinks.self)
    }

    /// The slot that was used next after `slot`, or `.max`.
    func following(_ slot: UInt32) -> UInt32 { links(slot).pointee.newer }

    /// Puts `slot`, which must not be on the list, at the newest end.
    mutating func append(_ slot: UInt32) {
        links(slot).pointee = AgeLinks()
        links(slot).pointee.older = newest
        if newest == .max { oldest = slot } else { links(newest).pointee.newer = slot }
        newest = slot
    }

    /// Takes `slot` off the list.
    mutating func remove(_ slot: UInt32) {
        let own = links(slot).pointee
        if own.older == .max { oldest = own.newer } else { links(own.older).pointee.newer = own.newer }
        if own.newer == .max { newest = own.older } else { links(own.newer).pointee.older = own.older }
        links(slot).pointee = AgeLinks()
    }

    /// Makes `slot`, which is on the list, the newest.
    mutating func touch(_ slot: UInt32) {
        guard newest != slot else { return }
        remove(slot)
        append(slot)
    }
}

/// A member's place on an `AgeList`.
@frozen
public struct AgeLinks: BitwiseCopyable {
    var older: UInt32 = .max
    var newer: UInt32 = .max

    @usableFromInline init() {}
}
