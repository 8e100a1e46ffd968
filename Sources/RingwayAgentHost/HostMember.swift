internal import Glibc
internal import RingwayStorage
internal import RingwaySystem

/// A member of the agents' loop that owns a descriptor, which is counted.
class HostMember: LoopMember {
    /// Adopted; -1 once it has been given away or closed.
    private(set) var descriptor: Int32
    /// Grows from member to member; zero while it is not watched.
    fileprivate(set) var number: UInt64 = 0
    fileprivate(set) weak var host: HostLoop?
    /// How the descriptor is counted while it is here.
    var charge = DescriptorCharge.none

    /// - Parameter descriptor: adopted; does not block.
    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Called when it is watched from now on, and no longer.
    func watched(_ isWatched: Bool) {}

    /// Called before the descriptor is closed.
    func closing() {}

    /// Stops watching and closes the descriptor.
    final func close() {
        guard descriptor >= 0 else { return }
        closing()
        host?.unwatch(self)
        Glibc.close(descriptor)
        descriptor = -1
        charge.release()
        charge = .none
    }

    /// Stops watching and gives the descriptor away. An agent's flow is counted as before, by its new owner.
    final func relinquish() -> Int32 {
        host?.unwatch(self)
        if case .standing = charge { charge.release() }
        charge = .none
        defer { descriptor = -1 }
        return descriptor
    }

    /// The same, for a new owner that does not count it.
    final func relinquishUncounted() -> Int32 {
        charge.release()
        charge = .none
        return relinquish()
    }
}

/// The members of the agents' loop that own descriptors.
struct MemberTable {
    private var members: [UInt64: HostMember] = [:]
    private var nextNumber: UInt64 = 1

    /// Every member at present.
    var all: [HostMember] { Array(members.values) }

    mutating func insert(_ member: HostMember, of host: HostLoop) {
        member.number = nextNumber
        member.host = host
        members[nextNumber] = member
        nextNumber += 1
        member.watched(true)
    }

    mutating func remove(_ member: HostMember) {
        members[member.number] = nil
        member.watched(false)
        member.number = 0
    }
}
