internal import RingwayModel
internal import RingwayStorage
internal import RingwayWire

/// Reassembles the guest's fragments; a complete datagram re-enters the stack as one frame.
struct Fragments: ~Copyable {
    private var reassembler: Reassembler

    init(_ limits: Limits) throws(MemoryFailure) {
        reassembler = try Reassembler(capacity: max(1, limits.fragments))
    }

    /// The earliest time at which `expire` has work, or `Deadlines.never`.
    var nextDeadline: UInt64 { mutating get { reassembler.nextDeadline ?? Deadlines.never } }

    mutating func receive(_ summary: FrameSummary, _ bytes: UnsafeRawBufferPointer, _ core: inout StackCore) {
        core.counters.add(.fragmentsFromGuest)
        let before = reassembler.drops.total
        let datagram = reassembler.add(bytes, summary, now: core.now)
        countDrops(since: before, &core)
        guard let datagram else { return }
        core.counters.add(.datagramsReassembled)
        guard let reply = core.prepareReply(limit: datagram.frameLength) else { return }
        let written = datagram.writeFrame(into: reply.room)
        guard written > 0 else { return core.release(reply.lease) }
        var effect = Effect(.reenterFrame)
        effect.lease = reply.lease
        effect.length = UInt32(VirtioNetHeader.length + written)
        core.effects.append(effect)
    }

    /// Drops datagrams whose reassembly timed out.
    mutating func expire(_ core: inout StackCore) {
        let before = reassembler.drops.total
        reassembler.expire(now: core.now)
        countDrops(since: before, &core)
    }

    private mutating func countDrops(since before: UInt64, _ core: inout StackCore) {
        let dropped = reassembler.drops.total - before
        if dropped > 0 { core.counters.add(.droppedFragment, Int(dropped)) }
    }
}
