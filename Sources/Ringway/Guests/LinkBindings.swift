internal import RingwayModel

/// The links reserved for machines.
///
/// A pure value. It is asked, before a guest is attached, whether the guest may use the link and, if not, why.
struct LinkBindings {
    private var terms: [LinkAddress: LinkTerms] = [:]

    /// Reserves a link, if its terms name a guest or an ethernet address. Throws if another link is reserved for the
    /// same guest or ethernet address.
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

    /// Whether the configuration determines the identity of the link's guest.
    func isBound(_ link: LinkAddress) -> Bool { terms[link] != nil }

    /// The name that a link assigns to its guest.
    func name(at link: LinkAddress) -> String? { terms[link]?.guest }

    /// Why the machine with this ethernet address may not use the link; `nil` if it may.
    func refusal(of mac: MACAddress, at link: LinkAddress, in registry: AddressRegistry) -> String? {
        if let home = home(of: mac, in: registry), home != link {
            return "\(mac) may connect only by \(home)"
        }
        guard let own = terms[link] else { return nil }
        if let only = own.mac, only != mac { return "\(link) is the link of \(only), and \(mac) is another machine" }
        if let guest = own.guest, let only = registry.settledMAC(named: guest), only != mac {
            return "\(link) is the link of \(guest), whose lease is for \(only), and \(mac) is another machine"
        }
        return nil
    }

    /// The only link that a machine may use: the one in its static lease, the one whose terms name the machine, or
    /// the reserved link that it used last. `nil` if none of these exists.
    private func home(of mac: MACAddress, in registry: AddressRegistry) -> LinkAddress? {
        if let link = registry.settledLink(of: mac) { return link }
        let name = registry.settledName(of: mac)
        for (link, own) in terms where own.mac == mac || (own.guest != nil && own.guest == name) { return link }
        if let former = registry.leases[mac]?.link, isBound(former) { return former }
        return nil
    }
}
