internal import CRingway
internal import Glibc
internal import RingwayLinks
internal import RingwayWire
internal import Synchronization

/// Waits for guests in one place. Lives on its network's control loop, as do the connections that are not guests yet.
protocol GuestListener: AnyObject {
    /// Nobody is waited for any more, so that the listener can be forgotten. Asked once it has begun.
    var isOver: Bool { get }

    /// Starts to wait.
    func begin()
    /// A guest that may have been one of ours has left.
    func guestLeft(_ guest: Guest.ID)
    /// Waits for no further guests, and removes what was made for them. It is closed as soon as it has no guests.
    func stopListening()
    /// Whether guests that came by it need it still.
    var hasGuests: Bool { get }
    /// Ends everything that it has left to do.
    func close()
}

extension GuestListener {
    /// Most wait for as long as their network lives.
    var isOver: Bool { false }
    /// Most have nothing more to do with guests that came.
    var hasGuests: Bool { false }
    func stopListening() {}
}

/// What every listener has: its network, and how to speak of itself.
final class ListenerPlace: Sendable {
    private struct Complaint {
        var reason = ""
        var time: UInt64 = 0
    }

    /// Nanoseconds for which the same is not said again, however often it happens.
    private static var silence: UInt64 { 10_000_000_000 }

    weak let network: VirtualNetwork?
    let address: LinkAddress
    private let last = Mutex(Complaint())

    init(network: VirtualNetwork, address: LinkAddress) {
        self.network = network
        self.address = address
    }

    var loop: ControlLoop? { network?.loop }

    /// Counts somebody who is turned away, and tells why.
    func refuse(_ reason: String) {
        network?.state.withLock { $0.guestsRefused += 1 }
        tell(reason)
    }

    /// Tells why somebody is turned away whom the network has counted.
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
    /// Those that wait no longer, but have guests.
    private var departing: [any GuestListener] = []

    func add(_ listener: any GuestListener, at address: LinkAddress) {
        listener.begin()
        entries.append((address, listener))
        // Machines that are given by descriptor come and go for as long as their launcher runs.
        entries.removeAll { $0.listener.isOver }
    }

    func remove(_ address: LinkAddress) {
        for entry in entries where entry.address == address {
            entry.listener.stopListening()
            departing.append(entry.listener)
        }
        entries.removeAll { $0.address == address }
        closeDeparted()
    }

    private func closeDeparted() {
        for listener in departing where !listener.hasGuests { listener.close() }
        departing.removeAll { !$0.hasGuests }
    }

    /// From any thread.
    func guestLeft(_ guest: Guest.ID, on loop: ControlLoop) {
        loop.post { [self] in
            for entry in entries { entry.listener.guestLeft(guest) }
            for listener in departing { listener.guestLeft(guest) }
            closeDeparted()
        }
    }

    /// From any thread.
    func close(on loop: ControlLoop) {
        loop.post { [self] in
            for listener in entries.map(\.listener) + departing { listener.close() }
            entries = []
            departing = []
        }
    }
}
