internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwayStorage
internal import RingwaySystem

/// The host socket of one TCP flow: its state, and the pending operations that keep it from being closed.
///
/// A descriptor is closed only when no operation refers to it, because an operation in flight keeps the file open and
/// would delay the FIN or RST. A socket that the stack has closed is therefore first `closing` or `resetting`, and
/// leaves the table when the last of its `pending` operations has completed.
///
///     connecting ─┐
///     probing ────┴► open ──► shut ──────────┐
///                     └────► sendFailed ─────┴► closing or resetting (also from any other state) ──► gone
struct StreamSocket: BitwiseCopyable {
    /// The state of the socket.
    enum State: UInt8, BitwiseCopyable {
        /// A connect is in flight.
        case connecting
        /// A connect with a small hop limit is in flight. If the hop limit expires at a router, the guest gets the
        /// router's ICMP error.
        case probing
        case open
        /// The guest has ended its side, so the socket has been shut down for writing. The peer may still send.
        case shut
        /// A send failed while a receive was in flight; the result of the receive shows how the connection ended.
        case sendFailed
        /// The stack has closed the socket; the descriptor is closed as soon as nothing is pending.
        case closing
        /// Like `closing`, but the peer must see RST.
        case resetting
    }

    /// Pending operations of the socket, at most one of each kind: the stack requests the next when the last has
    /// completed.
    struct Pending: OptionSet, BitwiseCopyable {
        let rawValue: UInt8
        static var connect: Pending { Pending(rawValue: 1 << 0) }
        static var receive: Pending { Pending(rawValue: 1 << 1) }
        static var send: Pending { Pending(rawValue: 1 << 2) }
        /// A poll for errors.
        static var watch: Pending { Pending(rawValue: 1 << 3) }
        /// The receive found no buffer, or receiving is paused: the socket is queued until it may receive.
        static var buffer: Pending { Pending(rawValue: 1 << 4) }
        /// The send failed with a temporary error, such as a lack of kernel memory: the socket is queued for a retry.
        static var retry: Pending { Pending(rawValue: 1 << 5) }
    }

    /// How many sends the socket has issued. The kernel (Nagle's algorithm) never delays the first send, because no
    /// earlier data can be unacknowledged. So TCP_NODELAY is set before the second send, and a connection that sends a
    /// single request saves that system call.
    private enum Sends: UInt8, BitwiseCopyable { case none, one, several }

    var descriptor: Int32
    /// The connection in the stack. Stale once the connection has ended.
    let flow: Handle
    private(set) var state: State
    var pending: Pending = []
    /// The number of descriptors counted in the guest's share: two for a connection to the gateway's DNS service,
    /// which is a socket pair; otherwise one.
    var charge: UInt8 = 1
    private var sends: Sends
    /// State for probing the peer.
    var peer = PeerInspection()
    /// The destination of a connect.
    var address = SocketAddress()
    /// The buffer of a single-slice send.
    var lease = Lease.none
    /// The slot in `ShardCore.messages` of a send of several slices; `.max` if there is none.
    var message: UInt32 = .max
    /// The limit of the receive in flight, in bytes.
    var receiveLimit: UInt32 = 0
    /// The links of the queues `TCPSockets.starved` and `TCPSockets.deferred`.
    var starvedLinks = SlotLinks()
    var deferredLinks = SlotLinks()

    /// - Parameters:
    ///   - state: `open` for a connected socket.
    ///   - mayDelay: true for a TCP socket without TCP_NODELAY, whose sends the kernel may delay.
    init(descriptor: Int32, flow: Handle, state: State = .open, mayDelay: Bool = false) {
        sends = mayDelay ? .none : .several
        self.descriptor = descriptor
        self.flow = flow
        self.state = state
    }

    /// Whether the stack has closed the socket.
    var isClosing: Bool { state == .closing || state == .resetting }

    /// Whether no operation refers to the socket.
    var isIdle: Bool { pending.isEmpty }

    // MARK: Transitions

    mutating func connected() { state = .open }

    mutating func shutDown() { state = .shut }

    mutating func failSend() { state = .sendFailed }

    mutating func beginClosing(reset: Bool) { state = reset ? .resetting : .closing }

    // MARK: System calls

    /// Called before each send. The guest's own TCP decides on coalescing, so the kernel must not delay what the guest
    /// sends.
    @inline(__always)
    mutating func noteSend() {
        guard sends != .several else { return }
        if sends == .one { Self.forbidDelay(descriptor) }
        sends = sends == .none ? .one : .several
    }

    private static func forbidDelay(_ descriptor: Int32) {
        HostCalls.setOption(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }

    /// Opens a non-blocking TCP socket with keepalive, by which the host's kernel detects dead peers. TCP_NODELAY is
    /// set later, by `noteSend`.
    ///
    /// - Returns: the descriptor, or a negated `errno`.
    static func open(ipv4: Bool) -> Int32 {
        let descriptor = Endpoint.open(family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_STREAM.rawValue))
        if descriptor >= 0 { setCommonOptions(descriptor) }
        return descriptor
    }

    /// Connects a new socket inside the guest from the client's address as the guest sees it, with the client's port if
    /// that is free.
    ///
    /// - Returns: zero, EINPROGRESS, or the error. Inside one namespace the result is usually available at once.
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

    /// The state of a connect: zero if it has succeeded, EINPROGRESS, or the error.
    ///
    /// The state is checked even after io_uring reported success: a router's ICMP error completes the operation
    /// `connect` although the connect continues.
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

    /// Sets the options of an accepted socket. TCP_NODELAY is set at once, because spliced bytes do not pass through
    /// `noteSend`.
    static func prepare(_ descriptor: Int32) {
        forbidDelay(descriptor)
        setCommonOptions(descriptor)
    }

    private static func setCommonOptions(_ descriptor: Int32) {
        HostCalls.setOption(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        // Urgent bytes stay in place in the stream (SO_OOBINLINE).
        HostCalls.setOption(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
    }
}
