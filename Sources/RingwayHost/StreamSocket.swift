internal import CRingway
internal import Glibc
public import RingwayStorage
public import RingwayWire

/// The host side of one TCP flow: a kernel socket and the operations on it that the kernel still has in its hands.
///
/// A descriptor is closed only when no operation refers to it any more, because an operation in flight keeps the file
/// open and would delay the FIN or RST that the close is meant to send.
@frozen
public struct StreamSocket: BitwiseCopyable {
    public var descriptor: Int32
    /// The connection in the stack. Stale once the connection has ended.
    public var flow: Handle
    public var address = SocketAddress()
    public var isConnecting = false
    /// The connect may not go far: it is out to find the way, and routers answer it.
    public var hasFewHops = false
    public var isReceiving = false
    public var isSending = false
    /// A poll for failure is under way.
    public var isWatched = false
    /// How the far end is asked for a sign of life.
    public var peer = PeerInspection()
    /// Descriptors that are counted for it: of a service the other end of the pair, too.
    public var charge: UInt8 = 1
    /// The guest has ended its side, and so have we.
    public var isShut = false
    /// The stack is done with the socket: closed as soon as nothing is in flight.
    public var isClosing = false
    /// The close must be seen as RST.
    public var isReset = false
    /// A send failed while a receive was under way: the receive will tell how the connection ended.
    public var hasFailedSend = false
    /// The buffer of a send of one slice.
    public var lease = Lease.none
    /// The entry of the message table of a send of several slices.
    public var message: UInt32 = .max
    /// The chain of sockets whose receive found no buffer.
    public var nextStarved: UInt32 = .max
    public var isStarved = false
    /// The chain of sockets whose send the kernel had no memory for.
    public var nextDeferred: UInt32 = .max
    public var isDeferred = false
    /// Octets that the next receive may take at most.
    public var receiveLength: UInt32 = 0

    public init(descriptor: Int32, flow: Handle) {
        self.descriptor = descriptor
        self.flow = flow
    }

    /// Whether the kernel has operations on the socket.
    public var isBusy: Bool { isConnecting || isReceiving || isSending || isWatched }

    /// Whether a chain of the shard's refers to the socket.
    public var isWaiting: Bool { isStarved || isDeferred }

    /// A non-blocking TCP socket of the address's family, without delay and with keepalive: the guest's own TCP decides
    /// when to wait for more, and the host's kernel finds dead peers.
    ///
    /// - Returns: the descriptor, or a negated `errno`.
    public static func open(ipv4: Bool) -> Int32 {
        let descriptor = Endpoint.open(family: ipv4 ? AF_INET : AF_INET6, type: Int32(SOCK_STREAM.rawValue))
        if descriptor >= 0 { prepare(descriptor) }
        return descriptor
    }

    /// Connects a fresh socket of the guest's from an address that it may have, with the client's port if that is free.
    ///
    /// - Returns: zero, EINPROGRESS, or what it failed with. Inside one namespace the answer is mostly there at once.
    public static func connect(
        _ descriptor: Int32, from source: IPAddress, port: UInt16, to server: TransportAddress
    ) -> Int32 {
        if bind(descriptor, source, port) != 0 {
            guard port != 0, bind(descriptor, source, 0) == 0 else { return errno }
        }
        var name = SocketAddress(server)
        let length = name.length
        let result = withUnsafeMutablePointer(to: &name) {
            Glibc.connect(descriptor, SocketAddress.pointer(to: $0), length)
        }
        if result == 0 { return 0 }
        return errno == EINPROGRESS ? connectError(descriptor) : errno
    }

    private static func bind(_ descriptor: Int32, _ address: IPAddress, _ port: UInt16) -> Int32 {
        var name = SocketAddress(TransportAddress(address: address, port: port))
        let length = name.length
        return withUnsafeMutablePointer(to: &name) {
            Glibc.bind(descriptor, SocketAddress.pointer(to: $0), length)
        }
    }

    /// How a connect stands: zero when it has succeeded, EINPROGRESS while it goes on, else what it failed with.
    ///
    /// Asked even after the kernel reported success: a router's answer that comes while `connect` still runs wakes the
    /// operation although nothing is decided.
    public static func connectError(_ descriptor: Int32) -> Int32 {
        var name = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let connected = withUnsafeMutablePointer(to: &name) {
            getpeername(descriptor, UnsafeMutableRawPointer($0).assumingMemoryBound(to: sockaddr.self), &length)
        }
        if connected == 0 { return 0 }
        let error = ringway_socket_error(descriptor)
        return error == 0 ? EINPROGRESS : error
    }

    /// The options that every TCP socket of a flow has.
    public static func prepare(_ descriptor: Int32) {
        _ = ringway_set_option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        // Urgent bytes stay where they are in the stream.
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_OOBINLINE, 1)
    }
}
