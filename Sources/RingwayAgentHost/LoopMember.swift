internal import Glibc
internal import RingwayConversation

/// Something on the agents' thread that waits for a descriptor.
class LoopMember {
    /// Adopted; -1 once it has been given away or closed.
    private(set) var descriptor: Int32
    /// By which the kernel knows it; zero while it is not watched.
    fileprivate(set) var tag: UInt64 = 0
    fileprivate(set) unowned var loop: HostLoop?
    /// Whether the loop is to `resume` it.
    var isUnfinished = false
    /// By what the descriptor is counted while it is here.
    var charge = DescriptorCharge.none

    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// What it carries, for lists of flows.
    var flows: [AgentFlow] { [] }

    /// What of it could end for the sake of another guest's flows.
    func idle(of agent: UInt32) -> [IdleMember] { [] }

    /// The descriptor has something to tell.
    func ready(_ event: EventQueue.Event) {}

    /// Goes on with what was left when it asked the loop to `resume` it.
    func goOn() {}

    /// Called now and then with the time, in monotonic nanoseconds.
    func look(at now: UInt64) {}

    /// Called when it is watched from now on, and no longer.
    func watched(_ isWatched: Bool) {}

    /// Called before the descriptor is closed.
    func closing() {}

    /// Stops watching and closes the descriptor.
    final func close() {
        // One that only waits for the time may have had no descriptor from the start.
        guard descriptor >= 0 || tag != 0 else { return }
        closing()
        loop?.unwatch(self)
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
        charge.release()
        charge = .none
    }

    /// Stops watching and gives the descriptor away. An agent's flow is counted as before, by whoever takes it.
    final func relinquish() -> Int32 {
        loop?.unwatch(self)
        if case .standing = charge { charge.release() }
        charge = .none
        defer { descriptor = -1 }
        return descriptor
    }

    /// The same, to somebody who does not count it.
    final func relinquishUncounted() -> Int32 {
        charge.release()
        charge = .none
        return relinquish()
    }
}

/// The members of a loop, by the tags under which the kernel knows their descriptors.
struct MemberTable {
    private var members: [UInt64: LoopMember] = [:]
    private var nextTag: UInt64 = 1

    /// Every member at present.
    var all: [LoopMember] { Array(members.values) }

    mutating func insert(_ member: LoopMember, of loop: HostLoop) {
        member.tag = nextTag
        member.loop = loop
        members[nextTag] = member
        member.watched(true)
        nextTag += 1
    }

    mutating func remove(_ member: LoopMember) {
        members[member.tag] = nil
        member.watched(false)
        member.tag = 0
    }

    subscript(tag: UInt64) -> LoopMember? { members[tag] }
}
