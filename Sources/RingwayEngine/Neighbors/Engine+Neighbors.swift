internal import RingwayModel
internal import RingwayStack

/// Passing frames between the guests of one network.
extension Engine {
    /// Makes this guest and each of `others` neighbours. When this returns, frames between them pass.
    public func connect(_ others: [Engine]) {
        tell(others) { own, other in
            (0..<own.parts).map {
                .addNeighbor(other.configuration.stack.guestMAC, other.place(nearest: own.place(of: $0)))
            }
        }
    }

    /// Ends what `connect` did, before any of the guests is stopped. When this returns, they post no more frames to
    /// each other. Frames posted before may still be delivered.
    public func disconnect(_ others: [Engine]) {
        tell(others) { own, other in
            (0..<own.parts).map { _ in .removeNeighbor(other.configuration.stack.guestMAC) }
        }
    }

    /// Sends the guest commands about the others, and the others commands about the guest. Waits until all are carried
    /// out.
    ///
    /// - Parameter commands: the commands for each part of the first guest, about the second.
    private func tell(_ others: [Engine], _ commands: (EngineShared, EngineShared) -> [ShardCommand]) {
        guard !others.isEmpty else { return }
        let reply = ShardReply(count: others.reduce(0) { $0 + shards + $1.shards })
        for other in others {
            for (guest, neighbor) in [(shared, other.shared), (other.shared, shared)] {
                for (part, command) in commands(guest, neighbor).enumerated() {
                    guest.send(.confirmed(command, reply), to: part)
                }
            }
        }
        reply.wait(milliseconds: Self.changeTimeout)
    }
}
