internal import RingwayModel
internal import RingwayStack

/// Guests of one network as neighbours.
extension Engine {
    /// Makes the guest and others neighbours. When this returns, frames between them pass.
    public func connect(_ others: [Engine]) {
        tell(others) { own, other in
            (0..<own.parts).map {
                .addNeighbor(other.configuration.stack.guestMAC, other.place(nearest: own.place(of: $0)))
            }
        }
    }

    /// Separates guests that `connect` has joined, before any of them is stopped. When this returns, no frame passes
    /// between them.
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
