internal import RingwaySystem

/// A listening socket on the agents' loop.
class AcceptingMember: HostMember {
    /// The most connections accepted per turn, so that other members get their turn.
    private static var acceptsPerTurn: Int { 256 }

    /// Called with each accepted connection, a non-blocking socket that the callee owns.
    func accepted(_ connection: Int32) {}

    override final func ready(_ events: EventLoop.Events) {
        for _ in 0..<Self.acceptsPerTurn where descriptor >= 0 {
            guard let connection = host?.loop.accept(for: self), connection >= 0 else { return }
            accepted(connection)
        }
    }

    override final func deadlinePassed(now: UInt64) { host?.loop.acceptAgain(self) }
}
