internal import CRingway
internal import Glibc
internal import Synchronization

/// Accepts guests at one address. A listener, like a connection that is not a guest yet (`PendingGuest`), is used
/// only on its network's control loop.
protocol GuestListener: AnyObject {
    /// Whether the listener accepts no further guest, so that it can be removed from the table. Valid after `begin`.
    var isOver: Bool { get }

    /// Starts to accept guests.
    func begin()
    /// Called after any guest of the network was detached, perhaps one that another listener accepted.
    func guestLeft(_ guest: Guest.ID)
    /// Stops listening, closes the listener's sockets and removes their files. Its guests stay attached, except those
    /// of agents: an agent opens all its connections at this address, so it must start again at another address.
    func close()
}

extension GuestListener {
    /// Most listeners accept guests as long as their network exists.
    var isOver: Bool { false }
}

/// What every listener has: the network, the listener's address and its terms.
final class ListenerPlace: Sendable {
    private struct Complaint {
        var reason = ""
        var time: UInt64 = 0
    }

    /// Nanoseconds for which a report is not repeated if it is identical to the last one.
    private static var silence: UInt64 { 10_000_000_000 }

    weak let network: VirtualNetwork?
    let address: LinkAddress
    /// Which guests may connect at the address.
    let terms: LinkTerms
    private let last = Mutex(Complaint())

    init(network: VirtualNetwork, address: LinkAddress, terms: LinkTerms) {
        self.network = network
        self.address = address
        self.terms = terms
    }

    var loop: ControlLoop? { network?.loop }

    /// Counts and reports a refused guest.
    func refuse(_ reason: String) {
        network?.state.withLock { $0.guestsRefused += 1 }
        report(reason)
    }

    /// Reports an error without counting it: a refused guest that has been counted already, or a failed bind.
    func report(_ reason: String) {
        let now = ringway_monotonic_nanoseconds()
        let isNews = last.withLock { last in
            guard last.reason != reason || now - last.time > Self.silence else { return false }
            last = Complaint(reason: reason, time: now)
            return true
        }
        if isNews { network?.report(.guestRefused(link: "\(address)", reason: reason)) }
    }
}

/// The listeners of a network.
final class ListenerTable: @unchecked Sendable {
    // Sendable: only accessed on the network's control loop.
    private var entries: [(address: LinkAddress, listener: any GuestListener)] = []

    func add(_ listener: any GuestListener, at address: LinkAddress) {
        listener.begin()
        entries.append((address, listener))
        // A listener for a TAP device or a connected socket accepts one guest. While the process runs, a launcher may
        // add any number of such listeners, so those that are over are removed.
        entries.removeAll { $0.listener.isOver }
    }

    func remove(_ address: LinkAddress) {
        for entry in entries where entry.address == address { entry.listener.close() }
        entries.removeAll { $0.address == address }
    }

    /// Called from any thread.
    func guestLeft(_ guest: Guest.ID, on loop: ControlLoop) {
        loop.post { [self] in
            for entry in entries { entry.listener.guestLeft(guest) }
        }
    }

    /// Called from any thread.
    func close(on loop: ControlLoop) {
        loop.post { [self] in
            for entry in entries { entry.listener.close() }
            entries = []
        }
    }
}
