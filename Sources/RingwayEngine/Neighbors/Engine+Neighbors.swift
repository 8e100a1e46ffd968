internal import RingwayModel
internal import RingwayStack

/// The guests of one network as each other's neighbours.
extension Engine {
    /// Lets the guest and others see each other: frames between them pass once this has returned.
    public func connect(_ others: [Engine]) {
        tell(others) { own, other in
            (0..<own.parts).map {
                .addNeighbor(other.configuration.stack.guestMAC, other.place(nearest: own.place(of: $0)))
            }
        }
    }

    /// Parts guests that `connect` has joined, before any is stopped: no frame passes once this has returned.
    public func disconnect(_ others: [Engine]) {
        tell(others) { own, other in
            (0..<own.parts).map { _ in .removeNeighbor(other.configuration.stack.guestMAC) }
        }
    }

    /// Has the guest and others carry out commands about each other, and waits until they have.
    ///
    /// - Parameter commands: those for each part of the first guest about the second.
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
