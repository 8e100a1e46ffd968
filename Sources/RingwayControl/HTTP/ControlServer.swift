internal import Glibc
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
public import Ringway
internal import Synchronization

/// The control API of networks: HTTP/1.1 and JSON, each network at a unix socket of its own.
///
/// A socket's file has the permissions 0600, and a client must be the user that the process runs as, or root.
/// Guests cannot reach the API: their traffic ends in the network's own stack, which has no unix sockets.
public final class ControlServer: Sendable {
    /// The most connections to a network's socket: an eighth of the process's descriptors, but at least 16 and at
    /// most 1,024. A further connection is closed at once.
    public static let mostConnections = ControlDescriptors.limit

    private struct Place {
        let channel: any Channel
        let file: SocketFile
        let events: EventBroadcast
    }

    private let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let workers: NIOThreadPool
    private let memory: NIOLoopBoundBox<ExchangeMemory>
    private let places = Mutex<[Place]>([])

    public init() {
        workers = NIOThreadPool(numberOfThreads: 2)
        workers.start()
        memory = .makeBoxSendingValue(ExchangeMemory(workers: workers), eventLoop: group.next())
    }

    /// Serves a network, including clients that have connected already. The server takes over the listener: `stop`
    /// closes the socket and removes its file.
    public func serve(
        _ network: VirtualNetwork, as identity: ControlIdentity, on listener: ControlListener
    ) throws(VirtualNetwork.Failure) {
        let (descriptor, file) = (listener.descriptor, listener.file)
        let eventLoop = group.next()
        let events = EventBroadcast(network, on: eventLoop)
        let router = ControlledNetwork(network: network, identity: identity, events: events).router
        let count = NIOLoopBoundBox.makeBoxSendingValue(0, eventLoop: eventLoop)
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: ControlListener.backlog)
            .serverChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(AcceptReserve())
                }
            }
            .childChannelOption(.allowRemoteHalfClosure, value: false)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 16 << 10, high: 64 << 10))
            // Reads are small, because one read may contain many small requests, each of which uses far more memory
            // than its bytes.
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4 << 10))
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelInitializer { [workers, memory] channel in
                Self.admit(channel, count).flatMapThrowing {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.configureHTTPServerPipeline(withPipeliningAssistance: true, withErrorHandling: true)
                    try pipeline.addHandler(
                        ConnectionHandler(router: router, events: events, workers: workers, memory: memory.value))
                }
            }
        do {
            let channel = try bootstrap.withBoundSocket(descriptor).wait()
            places.withLock { $0.append(Place(channel: channel, file: file, events: events)) }
        } catch {
            events.stop()
            file.remove()
            throw VirtualNetwork.Failure.control("cannot listen at \(file.path): \(error)")
        }
    }

    /// A future that fails if the connection must be closed: a limit is reached, or the client's user is neither the
    /// user of this process nor root.
    private static func admit(_ channel: any Channel, _ count: NIOLoopBoundBox<Int>) -> EventLoopFuture<Void> {
        guard count.value < mostConnections, let options = channel as? any SocketOptionProvider,
            ControlDescriptors.admit()
        else { return channel.eventLoop.makeFailedFuture(ChannelError.connectPending) }
        count.value += 1
        channel.closeFuture.whenComplete { _ in
            count.value -= 1
            ControlDescriptors.release()
        }
        return options.unsafeGetSocketOption(level: .socket, name: NIOBSDSocket.Option(rawValue: SO_PEERCRED))
            .flatMapThrowing { (peer: PeerCredentials) in
                guard peer.user == geteuid() || peer.user == 0 else {
                    throw IOError(errnoCode: EACCES, reason: "another user's process")
                }
            }
    }

    /// `struct ucred`, in which the kernel returns a peer's credentials (unix(7)).
    private struct PeerCredentials {
        var process: Int32 = 0
        var user: UInt32 = 0
        var group: UInt32 = 0
    }

    /// Closes all connections, removes the socket files and ends the threads. Called once.
    public func stop() {
        let places = places.withLock { places in
            defer { places = [] }
            return places
        }
        for place in places {
            place.events.stop()
            place.file.remove()
        }
        try? group.syncShutdownGracefully()
        try? workers.syncShutdownGracefully()
    }
}
