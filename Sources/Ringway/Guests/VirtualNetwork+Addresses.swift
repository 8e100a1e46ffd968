internal import RingwayModel
internal import Synchronization

/// Handles address requests of the guests' engines. Called on the engines' threads.
extension VirtualNetwork {
    func claim(_ address: IPv6Address, by guest: UInt32, mac: MACAddress) -> Bool {
        state.withLock { $0.registry.claim(address, by: guest, mac: mac) }
    }

    func release(_ address: IPv6Address, of guest: UInt32) {
        state.withLock { $0.registry.release(address, of: guest) }
    }

    /// Assigns another address to a guest that declined `address`, and updates the guest and the network's names;
    /// `nil` if no address is left, or if `address` is not the guest's any more. Called on an engine's thread, which
    /// must not block.
    func replace(_ address: IPv4Address, of guest: Guest.ID) -> IPv4Address? {
        let moved = state.withLock { state -> Guest? in
            guard let member = state.members[guest], member.guest.ipv4 == address,
                let lease = state.registry.replace(address, of: member.guest.mac)
            else { return nil }
            let moved = Guest(
                id: guest, mac: member.guest.mac, ipv4: lease.ipv4, ipv6: member.guest.ipv6, name: lease.name,
                claimsName: lease.claimsName, link: member.guest.link)
            state.members[guest] = Member(guest: moved, engine: member.engine)
            return moved
        }
        guard let moved else { return nil }
        loop.post { [weak self] in
            guard let self else { return }
            renewNames()
            report(.leaseGiven(moved))
        }
        return moved.ipv4
    }

    /// Whether the ethernet address has a lease.
    func hasLease(_ mac: MACAddress) -> Bool { state.withLock { $0.registry.leases[mac] != nil } }

    /// Reports that a guest sends from an IPv4 address that is not its own. Called on an engine's thread.
    func refused(_ address: IPAddress, of guest: UInt32) {
        let (member, reason) = state.withLock { state in
            (state.members[guest]?.guest, state.registry.refusal(of: address, to: state.members[guest]?.guest))
        }
        if let member { report(.addressRefused(member, address, reason: reason)) }
    }
}
