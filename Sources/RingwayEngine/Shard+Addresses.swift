internal import RingwayHost
internal import RingwayReactor
internal import RingwayStack
internal import RingwayStorage
internal import RingwayWire

/// What the guest shows of its addresses, and the clients of published ports who follow from that. The state is
/// `GuestAddresses`; this is the shard's line to it.
extension Shard {
    mutating func guestShown(_ address: IPAddress) {
        if shared.addresses.shown(address, now: reactor.now) { shared.report(.addressesChanged) }
    }

    /// An address does not answer. A client who was led there on trial is led elsewhere.
    mutating func guestSilent(_ effect: Effect) {
        if shared.addresses.silent(effect.address.address, now: reactor.now) { shared.report(.addressesChanged) }
        guard let socket = streams.pointer(inSlot: effect.socket) else { return }
        let descriptor = socket.pointee.descriptor
        let isUsed = socket.pointee.isReceiving || socket.pointee.isSending || socket.pointee.isWaiting
        guard !isUsed, let client = SocketAddress.peer(of: descriptor) else { return closeNow(socket, reset: true) }
        if socket.pointee.isWatched { cancel(Operation.watch.tag(streams.handle(ofSlot: effect.socket))) }
        streams.remove(slot: effect.socket)
        counters.add(.hostSockets, -1)
        placeClient(descriptor, client: client, port: effect.address.port)
    }

    /// A datagram is on its way to an address of the guest's, which says nothing if it is not there.
    mutating func doubt(_ listener: UnsafeMutablePointer<Forward>) {
        guard listener.pointee.doubtAt <= reactor.now else { return }
        listener.pointee.doubtAt = reactor.now &+ Forward.doubtInterval
        let address = listener.pointee.guest.address
        switch shared.addresses.sending(to: address, now: reactor.now) {
        case .none: break
        case .ask: stack.askGuest(for: address)
        case .unanswered:
            if shared.addresses.silent(address, now: reactor.now) { shared.report(.addressesChanged) }
        }
    }
}
