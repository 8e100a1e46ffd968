internal import RingwayModel

/// Which links belong to which machine.
///
/// A pure value: it is asked before a guest is let in, and answers why it may not come by that link.
struct LinkBindings {
    private var terms: [LinkAddress: LinkTerms] = [:]

    /// Takes up a link. A guest or an ethernet address has one link at the most.
    mutating func bind(_ link: LinkAddress, _ wanted: LinkTerms) throws(VirtualNetwork.Failure) {
        for (other, theirs) in terms where other != link {
            if let guest = wanted.guest, theirs.guest == guest {
                throw VirtualNetwork.Failure("guest \(guest) cannot come by both \(other) and \(link)", .exists)
            }
            if let mac = wanted.mac, theirs.mac == mac {
                throw VirtualNetwork.Failure("\(mac) cannot come by both \(other) and \(link)", .exists)
            }
        }
        terms[link] = wanted.isBound ? wanted : nil
    }

    mutating func release(_ link: LinkAddress) { terms[link] = nil }

    /// Whether the identity of a guest on the link is given by the configuration.
    func isBound(_ link: LinkAddress) -> Bool { terms[link] != nil }

    /// The name that a link gives to its guest.
    func name(at link: LinkAddress) -> String? { terms[link]?.guest }

    /// Why the machine with an ethernet address may not come by a link; `nil` when it may.
    func refusal(of mac: MACAddress, at link: LinkAddress, in registry: AddressRegistry) -> String? {
        if let home = home(of: mac, in: registry), home != link {
            return "\(mac) comes by \(home), and by no other link"
        }
        guard let own = terms[link] else { return nil }
        if let only = own.mac, only != mac { return "\(link) is the link of \(only), and \(mac) is another machine" }
        if let guest = own.guest, let only = registry.settledMAC(named: guest), only != mac {
            return "\(link) is the link of \(guest), whose lease is for \(only), and \(mac) is another machine"
        }
        return nil
    }

    /// The one link of a machine, where it has one: what its lease says, or the terms of a link, or by which bound link it
    /// came before.
    private func home(of mac: MACAddress, in registry: AddressRegistry) -> LinkAddress? {
        if let link = registry.settledLink(of: mac) { return link }
        let name = registry.settledName(of: mac)
        for (link, own) in terms where own.mac == mac || (own.guest != nil && own.guest == name) { return link }
        if let former = registry.leases[mac]?.link, isBound(former) { return former }
        return nil
    }
}
