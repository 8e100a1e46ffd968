import RingwayStorage

/// Frames that arrive at the wrong shard. Both shards run on one thread; tools/pump measures the cost of cache line
/// transfers.
extension Workload {
    static var handOvers: [Workload] {
        [
            // Only post and take.
            Workload("Mailbox.PostTake") {
                let mailbox = MemoryFailure.trap { try Mailbox<HandedFrame>(capacity: 1_024) }
                return { count in
                    for _ in 0..<count {
                        _ = mailbox.post(HandedFrame(.frame, .none))
                        consume(Int(mailbox.take()?.length ?? 0))
                    }
                }
            },
            // One iteration is a super-frame that arrives at one shard and is received by the other, including the
            // return of its buffer.
            Workload("TCP.Receive.SuperFrame.HandedOver") {
                let shards = PumpedShards(count: 2, flows: 0, foreign: 8)
                return { count in
                    let before = shards[1].pointee.framesFromGuest
                    for _ in 0..<count / 8 {
                        shards[0].pointee.receiveTurn(local: 0, foreign: 8, payload: 64_240)
                        shards[1].pointee.receiveTurn(local: 0, foreign: 0, payload: 64_240)
                        // Buffers released in a turn are returned at the start of the next.
                        shards[1].pointee.flushStrays()
                    }
                    precondition(shards[1].pointee.framesFromGuest - before == count / 8 * 8, "frames were lost")
                }
            },
        ]
    }
}
