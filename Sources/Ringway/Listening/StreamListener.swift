internal import CRingway
internal import Glibc
internal import RingwayLinks

/// A listening socket; each connection is a guest.
final class StreamListener: GuestListener {
    /// Connections that are no guest's yet; further ones wait in the socket's own queue.
    private static var mostPending: Int { 64 }

    private let descriptor: Int32
    private let file: SocketFile?
    private let framing: StreamFraming
    private let place: ListenerPlace
    private var pending: [ObjectIdentifier: PendingGuest] = [:]
    private var isClosed = false

    /// - Parameter descriptor: adopted; listens.
    init(_ descriptor: Int32, file: SocketFile?, framing: StreamFraming, place: ListenerPlace) {
        self.descriptor = descriptor
        self.file = file
        self.framing = framing
        self.place = place
    }

    func begin() {
        guard !isClosed, pending.count < Self.mostPending else { return }
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
        let guest = PendingGuest(client, .stream(framing), place) { [weak self] guest, _ in
            self?.pending[ObjectIdentifier(guest)] = nil
            self?.begin()
        }
        pending[ObjectIdentifier(guest)] = guest
        if pending.count >= Self.mostPending { place.loop?.unwatch(descriptor) }
    }

    func guestLeft(_ guest: Guest.ID) {}

    func close() {
        isClosed = true
        place.loop?.unwatch(descriptor)
        Glibc.close(descriptor)
        file?.remove()
        for guest in Array(pending.values) { guest.close() }
    }
}

/// One connected socket that the process was given: one guest, once.
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
