internal import CRingway
internal import Glibc
internal import Synchronization

/// Waits for guests in one place. Lives on its network's control loop, as do the connections that are not guests yet.
protocol GuestListener: AnyObject {
    /// The listener has no guest and accepts none any more, so that it can be dropped. Asked once it has begun.
    var isOver: Bool { get }

    /// Starts to wait.
    func begin()
    /// A guest that may have been one of ours has left.
    func guestLeft(_ guest: Guest.ID)
    /// Ends listening, and removes its sockets and files. Its guests stay attached, except those of agents: an agent's
    /// connections come to the address where the agent came, so it has to connect again at another.
    func close()
}

extension GuestListener {
    /// Most wait for as long as their network lives.
    var isOver: Bool { false }
}

/// What every listener has: its network, and its address for reports.
final class ListenerPlace: Sendable {
    private struct Complaint {
        var reason = ""
        var time: UInt64 = 0
    }

    /// Nanoseconds for which the same report is not repeated, however often it happens.
    private static var silence: UInt64 { 10_000_000_000 }

    weak let network: VirtualNetwork?
    let address: LinkAddress
    /// Which guests may come there.
    let terms: LinkTerms
    private let last = Mutex(Complaint())

    init(network: VirtualNetwork, address: LinkAddress, terms: LinkTerms) {
        self.network = network
        self.address = address
        self.terms = terms
    }

    var loop: ControlLoop? { network?.loop }

    /// Counts a guest that is refused, and reports why.
    func refuse(_ reason: String) {
        network?.state.withLock { $0.guestsRefused += 1 }
        tell(reason)
    }

    /// Reports why a guest was refused that the network has counted.
    func tell(_ reason: String) {
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
    // Sendable: only touched on the network's control loop.
    private var entries: [(address: LinkAddress, listener: any GuestListener)] = []

    func add(_ listener: any GuestListener, at address: LinkAddress) {
        listener.begin()
        entries.append((address, listener))
        // Machines that are given by descriptor come and go for as long as their launcher runs.
        entries.removeAll { $0.listener.isOver }
    }

    func remove(_ address: LinkAddress) {
        for entry in entries where entry.address == address { entry.listener.close() }
        entries.removeAll { $0.address == address }
    }

    /// From any thread.
    func guestLeft(_ guest: Guest.ID, on loop: ControlLoop) {
        loop.post { [self] in
            for entry in entries { entry.listener.guestLeft(guest) }
        }
    }

    /// From any thread.
    func close(on loop: ControlLoop) {
        loop.post { [self] in
            for entry in entries { entry.listener.close() }
            entries = []
        }
    }
}
