internal import RingwayModel

/// The guest's published UDP ports and their listeners, the host sockets on which they are published. If the guest
/// sends from such a port to a peer that has sent nothing yet, the datagram leaves through the listener, so that the
/// peer sees the port at which it can reach the guest (SIP, WireGuard).
///
/// A dictionary is fast enough: it is read once per new mapping, and changes only when ports are published or
/// unpublished.
struct PublishedDatagramPorts {
    private struct Listener {
        let name: UInt32
        /// The host address that the listener is bound to; unspecified if it is bound to all addresses.
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

    /// The listener through which a datagram from `guest` to `target`, an address on the host's side, may leave;
    /// `nil` if there is none. The listener must be of the target's address family. A listener bound to loopback can
    /// only send to loopback.
    func listener(of guest: TransportAddress, toward target: IPAddress) -> UInt32? {
        guard let candidates = listeners[guest] else { return nil }
        return candidates.first { candidate in
            candidate.bound.isIPv4 == target.isIPv4 && (!candidate.bound.isLoopback || target.isLoopback)
        }?.name
    }
}
