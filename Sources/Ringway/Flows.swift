internal import RingwayEngine
public import RingwayStack
internal import Synchronization

/// A transport conversation of a guest's, as it was when somebody asked.
public struct NetworkFlow: Sendable {
    public let guest: Guest.ID
    public let record: FlowRecord
}

extension VirtualNetwork {
    /// The flows there are, at the most so many, and whether these are all.
    ///
    /// The shards write them down a piece at a time, between frames, so this waits for them: not for a thread that must
    /// not wait.
    ///
    /// - Parameters:
    ///   - guest: whose flows; `nil` for everybody's.
    ///   - limit: how many at the most.
    public func flows(of guest: Guest.ID? = nil, limit: Int = 1_000) -> (flows: [NetworkFlow], isComplete: Bool) {
        let members = state.withLock { $0.members.values.sorted { $0.guest.id < $1.guest.id } }
        var flows: [NetworkFlow] = []
        var isComplete = true
        for member in members where guest == nil || member.guest.id == guest {
            var records: [FlowRecord] = []
            isComplete = member.engine.flows(limit: max(0, limit - flows.count), into: &records) && isComplete
            flows += records.map { NetworkFlow(guest: member.guest.id, record: $0) }
        }
        return (flows, isComplete)
    }
}
