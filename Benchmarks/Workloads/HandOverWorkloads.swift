import RingwayStorage

/// Frames that arrive at the wrong shard. Both shards' parts run on one thread: what the transfer of cache lines costs,
/// tools/pump shows.
extension Workload {
    static var handOvers: [Workload] {
        [
            // Post and take, nothing else.
            Workload("Mailbox.PostTake") {
                let mailbox = MemoryFailure.trap { try Mailbox<HandedFrame>(capacity: 1_024) }
                return { count in
                    for _ in 0..<count {
                        _ = mailbox.post(HandedFrame(.frame, .none))
                        consume(Int(mailbox.take()?.length ?? 0))
                    }
                }
            },
            // One iteration is a super-frame that arrives at one shard and is received by the other, its buffer's way
            // home included.
            Workload("TCP.Receive.SuperFrame.HandedOver") {
                let shards = PumpedShards(count: 2, flows: 0, foreign: 8)
                return { count in
                    let before = shards[1].pointee.framesFromGuest
                    for _ in 0..<count / 8 {
                        shards[0].pointee.receiveTurn(local: 0, foreign: 8, payload: 64_240)
                        shards[1].pointee.receiveTurn(local: 0, foreign: 0, payload: 64_240)
                        // What was released in a turn goes home at the start of the next.
                        shards[1].pointee.flushStrays()
                    }
                    precondition(shards[1].pointee.framesFromGuest - before == count / 8 * 8, "frames were lost")
                }
            },
        ]
    }
}
