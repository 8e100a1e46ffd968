internal import RingwayModel

/// Which UDP ports of the guest are published, and through which listeners: what the guest sends first from such a port
/// leaves from the published one, so that its peers see the port that they can reach (SIP, WireGuard).
///
/// Asked once for each peer, and changed when ports are published: an ordinary dictionary does.
struct PublishedDatagramPorts {
    private struct Listener {
        let name: UInt32
        /// The host's address that it is bound to; unspecified for all.
        let bound: IPAddress
    }

    private var listeners: [TransportAddress: [Listener]] = [:]

    var isEmpty: Bool { listeners.isEmpty }

    mutating func add(_ name: UInt32, bound: IPAddress, guest: TransportAddress) {
        listeners[guest, default: []].append(Listener(name: name, bound: bound))
    }

    mutating func remove(_ name: UInt32, guest: TransportAddress) {
        listeners[guest]?.removeAll { $0.name == name }
        if listeners[guest]?.isEmpty == true { listeners[guest] = nil }
    }

    /// The listener through which a datagram from `guest` to `target`, an address of the host's side, may leave; `nil`
    /// when there is none. One that is bound to the loopback reaches only that.
    func listener(of guest: TransportAddress, toward target: IPAddress) -> UInt32? {
        guard let candidates = listeners[guest] else { return nil }
        return candidates.first { candidate in
            candidate.bound.isIPv4 == target.isIPv4 && (!candidate.bound.isLoopback || target.isLoopback)
        }?.name
    }
}
