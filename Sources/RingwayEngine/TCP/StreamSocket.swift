internal import CRingway
internal import Glibc
internal import RingwayStorage
internal import RingwaySystem
internal import RingwayWire

/// The host side of one TCP flow: a kernel socket, where it stands, and what keeps it from being closed.
///
/// A descriptor is closed only when no operation refers to it any more, because an operation in flight keeps the file
/// open and would delay the FIN or RST that the close is meant to send. So a socket that the stack is done with is first
/// `closing` or `resetting`, and leaves the table when the last of its `pending` operations has completed.
///
///     connecting ─┐
///     probing ────┴► open ──► shut ──────────┐
///                     └────► sendFailed ─────┴► closing or resetting ──► gone
struct StreamSocket: BitwiseCopyable {
    /// Where the socket stands.
    enum State: UInt8, BitwiseCopyable {
        /// A connect is in flight.
        case connecting
        /// The same with few hops to go: it explores the path, and routers on it answer.
        case probing
        case open
        /// Both the guest and we have ended our side.
        case shut
        /// A send failed while a receive was in flight, which finds out how the connection ended.
        case sendFailed
        /// The stack is done with the socket, which is closed as soon as nothing is pending.
        case closing
        /// The same, and the peer must see RST.
        case resetting
    }

    /// What refers to the socket. At most one of each kind: the stack asks for the next when the last has completed.
    struct Pending: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        static var connect: Pending { Pending(rawValue: 1 << 0) }
        static var receive: Pending { Pending(rawValue: 1 << 1) }
        static var send: Pending { Pending(rawValue: 1 << 2) }
        /// A poll for failure.
        static var watch: Pending { Pending(rawValue: 1 << 3) }
        /// The receive found no buffer: the socket is in the queue for one.
        static var buffer: Pending { Pending(rawValue: 1 << 4) }
        /// The kernel had no memory for the send: the socket is in the queue for another attempt.
        static var retry: Pending { Pending(rawValue: 1 << 5) }
    }

    var descriptor: Int32
    /// The connection in the stack. Stale once the connection has ended.
    let flow: Handle
    private(set) var state: State
    var pending: Pending = []
    /// Descriptors that are counted for it: of a service the other end of the pair, too.
    var charge: UInt8 = 1
    /// How the peer is asked for a sign of life.
    var peer = PeerInspection()
    /// Where a connect goes.
    var address = SocketAddress()
    /// The buffer of a send of one slice.
    var lease = Lease.none
    /// The entry of the message table of a send of several slices.
    var message: UInt32 = .max
    /// Bytes that the receive in flight may take at most.
    var receiveLimit: UInt32 = 0
    /// The links of the two queues.
    var nextStarved: UInt32 = .max
    var nextDeferred: UInt32 = .max

    /// - Parameter state: `open` of a socket that is connected.
    init(descriptor: Int32, flow: Handle, state: State = .open) {
        self.descriptor = descriptor
        self.flow = flow
        self.state = state
    }

    /// Whether the stack is done with the socket.
    var isClosing: Bool { state == .closing || state == .resetting }

    /// Whether nothing refers to the socket any more.
    var isIdle: Bool { pending.isEmpty }

    // MARK: Transitions

    mutating func connected() { state = .open }

    mutating func shutDown() { state = .shut }

    mutating func failSend() { state = .sendFailed }

    mutating func beginClosing(reset: Bool) { state = reset ? .resetting : .closing }

    // MARK: System calls

    /// A non-blocking TCP socket of the address's family, without delay and with keepalive: the guest's own TCP decides
    /// when to wait for more, and the host's kernel finds dead peers.
    ///
    /// - Returns: the descriptor, or a negated `errno`.
    static func open(ipv4: Bool) -> Int32 {
        let descriptor = Endpoint.open(family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_STREAM.rawValue))
        if descriptor >= 0 { prepare(descriptor) }
        return descriptor
    }

    /// Connects a fresh socket of the guest's from an address that it may have, with the client's port if that is free.
    ///
    /// - Returns: zero, EINPROGRESS, or what it failed with. Inside one namespace the answer is mostly there at once.
    static func connect(
        _ descriptor: Int32, from source: IPAddress, port: UInt16, to server: TransportAddress
    ) -> Int32 {
        if bind(descriptor, source, port) != 0 {
            guard port != 0, bind(descriptor, source, 0) == 0 else { return errno }
        }
        var name = SocketAddress(server)
        let length = name.length
        let result = withUnsafeMutablePointer(to: &name) {
            HostCalls.connect(descriptor, SocketAddress.pointer(to: $0), length)
        }
        if result == 0 { return 0 }
        return errno == EINPROGRESS ? connectError(descriptor) : errno
    }

    private static func bind(_ descriptor: Int32, _ address: IPAddress, _ port: UInt16) -> Int32 {
        var name = SocketAddress(TransportAddress(address: address, port: port))
        let length = name.length
        return withUnsafeMutablePointer(to: &name) {
            HostCalls.bind(descriptor, SocketAddress.pointer(to: $0), length)
        }
    }

    /// How a connect stands: zero when it has succeeded, EINPROGRESS while it goes on, else what it failed with.
    ///
    /// Asked even after the kernel reported success: a router's answer that comes while `connect` still runs wakes the
    /// operation although nothing is decided.
    static func connectError(_ descriptor: Int32) -> Int32 {
        var name = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let connected = withUnsafeMutablePointer(to: &name) {
            HostCalls.peerName(descriptor, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self), &length)
        }
        if connected == 0 { return 0 }
        let error = HostCalls.takeError(descriptor)
        return error == 0 ? EINPROGRESS : error
    }

    /// The options that every TCP socket of a flow has.
    static func prepare(_ descriptor: Int32) {
        HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        HostCalls.setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        // Urgent bytes stay where they are in the stream.
        HostCalls.setOption(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
    }
}
