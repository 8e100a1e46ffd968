/// Where a guest is on a shard: the number by which the shard's ring, buffers and mail know it.
///
/// A guest has a place for each queue of its link, on as many shards as it can be spread over. A slot has another guest
/// only when nothing of the last one is in flight; mail that was posted to that one is recognised by the generation.
struct GuestPlace: BitwiseCopyable, Hashable, Sendable {
    let shard: UInt16
    /// The tenant of the shard's ring, from one on.
    let slot: UInt16
    let generation: UInt16

    /// Stands for no place.
    static var none: GuestPlace { GuestPlace(shard: .max, slot: 0, generation: 0) }
    var isNone: Bool { slot == 0 }
}
