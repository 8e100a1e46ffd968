/// The location of a guest's part: a shard, and the number by which the shard's ring, buffers and mail identify the
/// part.
///
/// A guest has one place for each queue of its link, on different shards if there are enough. A slot is reused only
/// after all operations of its previous guest have completed and all buffers charged to it are released. The
/// generation changes with each guest of the slot, so that late mail for a previous guest is recognised.
struct GuestPlace: BitwiseCopyable, Hashable, Sendable {
    let shard: UInt16
    /// The number of the guest in the tags of the ring's operations; starts at one.
    let slot: UInt16
    let generation: UInt16

    /// The value for "no place".
    static var none: GuestPlace { GuestPlace(shard: .max, slot: 0, generation: 0) }
    var isNone: Bool { slot == 0 }
}
