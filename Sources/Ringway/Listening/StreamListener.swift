internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem

/// A listening socket; each connection is a guest.
///
/// A connection may be silent until its machine boots. Beyond `mostPending` silent connections, each new connection
/// causes one of them to be closed: the oldest connection of one process. That process has the most silent connections
/// among the processes of the user who has the most.
final class StreamListener: GuestListener {
    /// The lowest and highest limit of pending connections. Between the two, the limit is twice the number of guests
    /// that the network may have.
    private static var pendingBounds: ClosedRange<Int> { 64...1_024 }

    private let descriptor: Int32
    private let file: SocketFile?
    private let framing: StreamFraming
    private let place: ListenerPlace
    /// Connections that are not guests yet, the oldest first.
    private var pending: [Pending] = []
    private let mostPending: Int
    private var isClosed = false

    private struct Pending {
        let guest: PendingGuest
        let peer: ConnectionPeer
    }

    /// - Parameter descriptor: adopted; listening.
    init(_ descriptor: Int32, file: SocketFile?, framing: StreamFraming, place: ListenerPlace) {
        self.descriptor = descriptor
        self.file = file
        self.framing = framing
        self.place = place
        let guests = place.network?.configuration.limits.guestsPerNetwork ?? 0
        mostPending = min(max(2 * guests, Self.pendingBounds.lowerBound), Self.pendingBounds.upperBound)
    }

    func begin() {
        guard !isClosed else { return }
        place.loop?.watch(descriptor) { [weak self] in self?.accept() }
    }

    private func accept() {
        let client = ringway_accept(descriptor)
        guard client >= 0 else {
            guard errno == EMFILE || errno == ENFILE else { return }
            place.refuse("no descriptor is left; raise the limit (ulimit -n)")
            place.loop?.unwatch(descriptor)
            place.loop?.after(milliseconds: 1_000) { [weak self] in self?.begin() }
            return
        }
        let peer = ConnectionPeer(client)
        let guest = PendingGuest(client, .stream(framing), place) { [weak self] guest, _ in
            self?.pending.removeAll { $0.guest === guest }
        }
        pending.append(Pending(guest: guest, peer: peer))
        guard pending.count > mostPending, let index = ConnectionPeer.excess(among: pending.map(\.peer)) else { return }
        place.refuse("\(mostPending) connections have not identified themselves; one of them is closed for a new one")
        pending[index].guest.close()
    }

    func guestLeft(_ guest: Guest.ID) {}

    func close() {
        isClosed = true
        place.loop?.unwatch(descriptor)
        Glibc.close(descriptor)
        file?.remove()
        for pending in pending { pending.guest.close() }
    }
}

/// A connected stream socket, or a datagram socket, that was passed to the process. It becomes one guest. Once the
/// guest is attached or refused, the listener is over.
final class SingleListener: GuestListener {
    private let descriptor: Int32
    private let framing: Link.Framing
    private let place: ListenerPlace
    private var pending: PendingGuest?

    init(_ descriptor: Int32, _ framing: Link.Framing, place: ListenerPlace) {
        self.descriptor = descriptor
        self.framing = framing
        self.place = place
    }

    var isOver: Bool { pending == nil }

    func begin() {
        pending = PendingGuest(descriptor, framing, place) { [weak self] _, _ in self?.pending = nil }
    }

    func guestLeft(_ guest: Guest.ID) {}

    func close() { pending?.close() }
}
