internal import CRingway
internal import Glibc
internal import RingwayModel

/// A connection that is not a guest yet. Its first frame, which follows the handshake if the link has one, identifies
/// the guest. A machine may send that frame long after it has connected, so there is no timeout until the frame
/// begins; the connection costs only a descriptor.
final class PendingGuest {
    /// Timeout in milliseconds of a handshake, of an incomplete first frame, and of waiting for a former guest with
    /// the same ethernet address to be detached.
    private static var timeout: UInt64 { 3_000 }
    private static var pause: UInt64 { 20 }

    private let descriptor: Int32
    private let framing: Link.Framing
    private let place: ListenerPlace
    private let ended: (PendingGuest, Guest.ID?) -> Void
    private var handshake: VPNKitHandshake?
    private var preferred: IPv4Address?
    private var waited: UInt64 = 0
    private var isOver = false

    /// - Parameters:
    ///   - descriptor: adopted; non-blocking.
    ///   - ended: called once, with the guest if the connection became one.
    init(
        _ descriptor: Int32, _ framing: Link.Framing, _ place: ListenerPlace,
        ended: @escaping (PendingGuest, Guest.ID?) -> Void
    ) {
        self.descriptor = descriptor
        self.framing = framing
        self.place = place
        self.ended = ended
        if framing == .stream(.vpnkit) {
            handshake = VPNKitHandshake()
            // Unlike the first frame, the handshake has a timeout, because a VPNKit client sends it at once.
            place.loop?.after(milliseconds: Self.timeout) { [weak self] in self?.endHandshake() }
        }
        wait()
    }

    func close() { end(nil, closing: true) }

    private func wait() {
        place.loop?.watch(descriptor) { [weak self] in self?.ready() }
    }

    private func ready() {
        if handshake != nil { return shakeHands() }
        switch FirstFrame.peek(descriptor, framing) {
        case .guest(let mac, let address): arrive(mac, uses: address)
        case .closed: end(nil, closing: true)
        case .wait: pauseThenLook()
        }
    }

    /// A socket with an incomplete frame stays readable, so waiting until it is readable would be a busy loop. The next
    /// peek is delayed instead.
    private func pauseThenLook() {
        place.loop?.unwatch(descriptor)
        guard waited < Self.timeout else { return refuse("the first frame does not end") }
        waited += Self.pause
        place.loop?.after(milliseconds: Self.pause) { [weak self] in
            guard let self, !isOver else { return }
            wait()
        }
    }

    // MARK: Attaching

    /// Attaches the guest. If a former guest with the same ethernet address is still attached, first waits until it
    /// is detached, `timeout` at most.
    ///
    /// - Parameter address: the IPv4 address that the guest already uses; assigned to the guest if it is free. An
    ///   earlier run of the network may have leased it to the guest, and the guest sends no DHCP request before it
    ///   must renew that lease.
    private func arrive(_ mac: MACAddress, uses address: IPv4Address?) {
        guard let network = place.network else { return end(nil, closing: true) }
        if network.isAttached(mac), waited < Self.timeout {
            // A restarted machine connects before the end of its former connection is detected.
            waited += Self.pause
            place.loop?.unwatch(descriptor)
            place.loop?.after(milliseconds: Self.pause) { [weak self] in
                guard let self, !isOver else { return }
                arrive(mac, uses: address)
            }
            return
        }
        place.loop?.unwatch(descriptor)
        do throws(VirtualNetwork.Failure) {
            let link = Link(queues: [descriptor], framing: framing, takesUDPSuperFrames: false)
            let isKnown = network.hasLease(mac)
            let guest = try network.attach(link, mac: mac, at: place.address, preferring: preferred ?? address)
            if !isKnown, guest.ipv4 == address { network.report(.addressKept(guest)) }
            end(guest.id, closing: false)
        } catch {
            place.report(error.description)
            end(nil, closing: true)
        }
    }

    private func refuse(_ reason: String) {
        place.refuse(reason)
        end(nil, closing: true)
    }

    private func end(_ guest: Guest.ID?, closing: Bool) {
        guard !isOver else { return }
        isOver = true
        place.loop?.unwatch(descriptor)
        if closing { Glibc.close(descriptor) }
        ended(self, guest)
    }

    // MARK: VPNKit

    private func endHandshake() {
        guard handshake != nil, !isOver else { return }
        refuse("a client did not end its handshake")
    }

    private func shakeHands() {
        while var next = handshake {
            let wanted = next.wanted
            var bytes = [UInt8](repeating: 0, count: wanted)
            let count = recv(descriptor, &bytes, wanted, Int32(MSG_DONTWAIT))
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            guard count > 0 else { return end(nil, closing: true) }
            let action = next.receive(Array(bytes.prefix(count)))
            handshake = next
            switch action {
            case .wait: break
            case .send(let answer): answerClient(answer)
            case .refuse(let answer, let reason):
                answerClient(answer)
                return refuse(reason)
            case .decide(let request):
                handshake = nil
                return decide(request)
            }
        }
    }

    private func decide(_ request: VPNKitHandshake.Request) {
        guard let network = place.network else { return end(nil, closing: true) }
        let mac =
            place.terms.mac ?? request.mac ?? MACAddress(rawValue: 0x5256_0000_0000 | .random(in: 0...0xFFFF_FFFF))
        if let preferred = request.preferred, let reason = network.refusal(of: preferred, for: mac) {
            answerClient(VPNKitHandshake.refusal(reason))
            return refuse(reason)
        }
        preferred = request.preferred
        answerClient(VPNKitHandshake.welcome(mtu: network.plan.mtu, mac: mac))
    }

    /// Sends a reply of the handshake. The result is ignored: a new connection's send buffer always has room for it.
    private func answerClient(_ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
    }
}
