internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayRing
internal import RingwayWire

/// The far end of a stream, which is notified of everything that the program under test does to the stream.
protocol StreamPeer: AnyObject {
    func streamChanged()
}

/// A stream socket of the program under test, such as a TCP connection or a channel to a guest's agent.
///
/// `incoming` holds data from the far end, `outgoing` data from the program. As in Linux, a receive reports an error
/// only after the data that precedes it. A close resets the connection if data is unread, or if the linger time
/// (SO_LINGER) is zero.
final class ModelStream: ModelFile {
    enum State { case fresh, connecting, connected, failed }

    private(set) var state = State.fresh
    let isIPv4: Bool
    /// Whether the socket was created inside the guest's namespace.
    let isInsideGuest: Bool
    var local: TransportAddress?
    var remote: TransportAddress?
    weak var peer: (any StreamPeer)?
    var lingers = true

    private(set) var incoming = ByteQueue()
    /// Whether the far end has sent its last byte.
    private(set) var hasIncomingEnded = false
    /// The socket's pending error.
    private(set) var error: Int32 = 0
    private(set) var outgoing = ByteQueue()
    /// Whether the program has sent its last byte.
    private(set) var isShut = false
    /// Whether no descriptor and no operation refers to the socket any more.
    private(set) var isReleased = false
    /// Whether the far end will see RST.
    private(set) var isReset = false

    init(_ host: ModelHost, ipv4: Bool, isInsideGuest: Bool = false) {
        isIPv4 = ipv4
        self.isInsideGuest = isInsideGuest
        super.init(host)
    }

    var room: Int { host.script.streamRoom }

    // MARK: This end

    override var isStream: Bool { true }

    override var events: UInt32 {
        guard state != .connecting else { return error == 0 ? 0 : UInt32(POLLERR) | UInt32(POLLOUT) }
        guard state != .fresh else { return UInt32(POLLHUP) | UInt32(POLLOUT) }
        var events: UInt32 = 0
        if !incoming.isEmpty || hasIncomingEnded || error != 0 || state == .failed { events |= UInt32(POLLIN) }
        if outgoing.count < room || error != 0 || isShut || state == .failed { events |= UInt32(POLLOUT) }
        if hasIncomingEnded || state == .failed { events |= EPOLLRDHUP.rawValue }
        if hasIncomingEnded && isShut || state == .failed { events |= UInt32(POLLHUP) }
        if error != 0 { events |= UInt32(POLLERR) }
        return events
    }

    override func receive(_ bytes: UnsafeMutableRawBufferPointer) -> Int { receive(bytes, peeks: false) }

    func receive(_ bytes: UnsafeMutableRawBufferPointer, peeks: Bool) -> Int {
        guard state == .connected || state == .failed else { return Int(-ENOTCONN) }
        guard incoming.isEmpty else {
            let count = peeks ? incoming.peek(bytes) : incoming.take(bytes)
            if !peeks { peer?.streamChanged() }
            return count
        }
        if error != 0 { return -Int(takeError()) }
        return hasIncomingEnded || state == .failed ? 0 : Int(-EAGAIN)
    }

    override func send(_ slices: [UnsafeRawBufferPointer]) -> Int {
        if error != 0 { return -Int(takeError()) }
        guard state == .connected, !isShut else { return Int(state == .fresh ? -ENOTCONN : -EPIPE) }
        var taken = 0
        for slice in slices {
            let count = min(slice.count, room - outgoing.count)
            if count > 0 { outgoing.append(UnsafeRawBufferPointer(rebasing: slice.prefix(count))) }
            taken += max(0, count)
        }
        guard taken > 0 else { return Int(-EAGAIN) }
        peer?.streamChanged()
        return taken
    }

    func takeError() -> Int32 {
        defer { error = 0 }
        return error
    }

    /// shutdown(2) with SHUT_WR.
    func shutDown() -> Int32 {
        guard state == .connected else { return ENOTCONN }
        isShut = true
        peer?.streamChanged()
        changed()
        return 0
    }

    override func released() {
        isReleased = true
        guard state == .connected else {
            peer?.streamChanged()
            return
        }
        if !lingers || !incoming.isEmpty {
            isReset = true
            outgoing.removeAll()
        }
        isShut = true
        peer?.streamChanged()
    }

    // MARK: Connecting

    override func connect(_ address: UnsafePointer<sockaddr>, _ length: UInt32) -> Int {
        guard let target = ModelHost.read(address, length) else { return Int(-EAFNOSUPPORT) }
        guard state == .fresh else { return Int(-EISCONN) }
        state = .connecting
        remote = target
        world?.connects(self, to: target)
        return connectOutcome
    }

    override var connectOutcome: Int {
        switch state {
        case .connected: 0
        case .connecting: error == 0 ? Int(-EINPROGRESS) : -Int(takeError())
        case .fresh, .failed: error == 0 ? Int(-ECONNABORTED) : -Int(takeError())
        }
    }

    // MARK: The far end

    func connected(to peer: any StreamPeer) {
        state = .connected
        self.peer = peer
        changed()
    }

    func refuse(_ errno: Int32) {
        state = .failed
        error = errno
        changed()
    }

    /// The number of bytes that the far end may send now.
    var incomingRoom: Int { isReleased ? 0 : max(0, room - incoming.count) }

    func deliver(_ count: Int, _ fill: (UnsafeMutableRawPointer) -> Void) {
        incoming.append(count, fill)
        changed()
    }

    func deliver(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { incoming.append($0) }
        changed()
    }

    func endIncoming() {
        guard !hasIncomingEnded else { return }
        hasIncomingEnded = true
        changed()
    }

    /// The far end has reset the connection.
    func fail(_ errno: Int32) {
        guard state == .connected else { return }
        state = .failed
        error = errno
        outgoing.removeAll()
        changed()
    }

    /// Removes and returns up to `most` bytes that the program has sent.
    func takeOutgoing(_ most: Int) -> [UInt8] {
        let taken = outgoing.take(min(most, outgoing.count))
        if !taken.isEmpty { changed() }
        return taken
    }
}

/// A TCP listener to which clients of a published port connect.
final class ModelListener: ModelFile {
    let address: TransportAddress
    private(set) var clients: [ModelStream] = []
    private(set) var isReleased = false

    init(_ host: ModelHost, _ address: TransportAddress) {
        self.address = address
        super.init(host)
    }

    override var events: UInt32 { clients.isEmpty ? 0 : UInt32(POLLIN) }

    func append(_ client: ModelStream) {
        client.hold()
        clients.append(client)
        changed()
    }

    override func accept() -> Int {
        guard let client = clients.first else { return Int(-EAGAIN) }
        let descriptor = host.open(client)
        guard descriptor >= 0 else { return Int(descriptor) }
        clients.removeFirst()
        client.letGo()
        return Int(descriptor)
    }

    override func released() {
        isReleased = true
        for client in clients {
            client.lingers = false
            client.letGo()
        }
        clients = []
    }
}
