import RingwayStack
import RingwayStorage
import RingwayWire

/// Frames that arrive at one shard and belong to another, and the return of their buffers.
extension PumpedShard {
    @inline(__always)
    mutating func post(_ lease: Lease, _ summary: FrameSummary, length: Int, to other: Int) {
        var message = HandedFrame(.frame, lease)
        message.length = UInt32(truncatingIfNeeded: length)
        message.summary = summary
        let isPosted = mailboxes[other &* count &+ index].post(message)
        precondition(isPosted, "a mailbox has room for all leases that may be handed over")
        handed &+= 1
        framesHandedOver &+= 1
        stack.counters.add(.framesHandedOver)
    }

    mutating func readMail() {
        for sender in 0..<count where sender != index {
            let mailbox = mailboxes[index &* count &+ sender]
            var budget = 256
            while budget > 0, let message = mailbox.take() {
                budget &-= 1
                switch message.kind {
                case .frame:
                    framesFromGuest &+= 1
                    stack.receiveFrame(message.summary, message.lease, length: Int(message.length))
                    perform()
                case .leases:
                    handed &-= returned(message.lease)
                    pool.pointee.acceptHome(message.lease)
                case .accepted: preconditionFailure("there is no listener")
                }
            }
        }
    }

    /// The number of leases on a chain.
    @inline(__always)
    private func returned(_ chain: Lease) -> Int {
        var lease = chain
        var count = 0
        while !lease.isNone {
            count &+= 1
            lease = space.state(of: lease).pointee.next
        }
        return count
    }

    /// Returns released leases to the shards that own them.
    mutating func flushStrays() {
        guard pool.pointee.strayCount > 0 else { return }
        for other in 0..<count where other != index {
            let chain = pool.pointee.takeStrays(of: other)
            guard !chain.isNone else { continue }
            if !mailboxes[other &* count &+ index].post(HandedFrame(.leases, chain)) {
                pool.pointee.keepStrays(chain, of: other)
            }
        }
    }
}
