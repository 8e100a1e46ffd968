internal import Ringway

/// The table of limits in responses.
extension JSONWriter {
    /// Writes the limits of the process, of the network and of guests. A limit of guests has one row, for the guest
    /// that uses the most of it.
    mutating func members(ofBounds network: VirtualNetwork) {
        var fullest: [String: (bound: Bound, guest: String)] = [:]
        var order: [String] = []
        for guest in network.guests {
            for bound in network.bounds(of: guest.id) ?? [] {
                guard let other = fullest[bound.name]?.bound else {
                    order.append(bound.name)
                    fullest[bound.name] = (bound, guest.name)
                    continue
                }
                if bound.inUse > other.inUse { fullest[bound.name] = (bound, guest.name) }
            }
        }
        let rows =
            network.bounds().map { (bound: $0, guest: String?.none) }
            + order.compactMap { fullest[$0] }.map { (bound: $0.bound, guest: String?.some($0.guest)) }
        member("bounds", rows) { writer, row in
            writer.object { writer in
                writer.members(of: row.bound)
                writer.member("guest", row.guest)
            }
        }
    }

    /// Writes the members of a row, except for the guest's name.
    mutating func members(of bound: Bound) {
        member("name", bound.name)
        member("scope", bound.scope.rawValue)
        member("inUse", bound.inUse)
        member("limit", bound.limit)
        member("option", bound.option)
    }
}
