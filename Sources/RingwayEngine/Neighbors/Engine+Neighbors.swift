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

    /// Makes this guest and `others` no longer neighbours. Called before any of them is stopped. When this returns,
    /// this guest and `others` post no more frames to each other. Frames posted before may still be delivered.
    public func disconnect(_ others: [Engine]) {
        tell(others) { own, other in
            (0..<own.parts).map { _ in .removeNeighbor(other.configuration.stack.guestMAC) }
        }
    }

    /// Sends this guest commands about each guest in `others`, and each of those guests commands about this guest.
    /// Waits until all commands are carried out, at most for `changeTimeout`.
    ///
    /// - Parameter commands: returns one command for each part of the first guest, about the second guest.
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
