internal import Glibc
internal import RingwayStorage
internal import RingwaySystem

/// A member of the agents' loop that owns a descriptor, and knows which budget or share counts it.
class HostMember: LoopMember {
    /// The adopted descriptor; -1 once it was closed or passed to another owner.
    private(set) var descriptor: Int32
    /// A number that increases from member to member; zero while the member is not registered.
    fileprivate(set) var number: UInt64 = 0
    fileprivate(set) weak var host: HostLoop?
    /// The budget or share that counts the descriptor.
    var charge = DescriptorCharge.none

    /// - Parameter descriptor: adopted; non-blocking.
    init(_ descriptor: Int32) { self.descriptor = descriptor }

    /// Called after the member was registered or deregistered.
    func watched(_ isWatched: Bool) {}

    /// Called before the descriptor is closed.
    func closing() {}

    /// Deregisters and closes the descriptor.
    final func close() {
        guard descriptor >= 0 else { return }
        closing()
        host?.unwatch(self)
        Glibc.close(descriptor)
        descriptor = -1
        charge.release()
        charge = .none
    }

    /// Deregisters and returns the descriptor. If it is counted in an agent's share, it stays counted, and its new
    /// owner must release the count.
    final func relinquish() -> Int32 {
        host?.unwatch(self)
        if case .standing = charge { charge.release() }
        charge = .none
        defer { descriptor = -1 }
        return descriptor
    }

    /// Deregisters and returns the descriptor to an owner that does not count it.
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

    /// All current members.
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
