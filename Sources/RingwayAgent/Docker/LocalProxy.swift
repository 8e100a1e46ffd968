internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayModel
internal import RingwayRelay
internal import RingwaySystem

/// Listens on the published port inside the guest and relays to the container, so that programs in the guest can use
/// the port, as with Docker's own proxy.
///
/// The proxy listens if the engine passes a bound socket, or if the port is free. It does not relay UDP, which the
/// engine's packet filter rules forward.
final class LocalProxy: LoopMember {
    private static var passedDescriptor: Int32 { 4 }

    private let loop: EventLoop
    private let listener: OwnedDescriptor
    private let target: DialTarget
    /// Created when the first client connects.
    private lazy var relays = RelayGroup(loop: loop, pipes: 256)

    /// Uses the engine's listener or opens one; `nil` if neither is possible, and for UDP.
    init?(_ options: ProxyOptions, on loop: EventLoop) {
        guard options.transport == .tcp else { return nil }
        self.loop = loop
        target = DialTarget(.tcp(options.container))
        if options.hasListener, ringway_is_open(Self.passedDescriptor) {
            listener = OwnedDescriptor(adopting: Self.passedDescriptor)
            _ = ringway_close_on_exec(listener.rawValue)
            // The engine has bound the socket; whether the socket also listens depends on the engine's version.
            guard Glibc.listen(listener.rawValue, 1_024) == 0 else { return nil }
        } else {
            guard let made = Self.listen(at: options.host) else { return nil }
            listener = made
        }
        _ = ringway_set_nonblocking(listener.rawValue)
    }

    private static func listen(at address: TransportAddress) -> OwnedDescriptor? {
        let opened = NamespaceSocket.open(
            "", family: SocketAddress.family(of: address.address), kind: Int32(SOCK_STREAM.rawValue))
        guard case .success(let descriptor) = opened else { return nil }
        let socket = OwnedDescriptor(adopting: descriptor)
        _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
        if !address.address.isIPv4 { _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
        guard address.port != 0, SocketAddress.bind(descriptor, to: address) == 0, Glibc.listen(descriptor, 1_024) == 0
        else { return nil }
        return socket
    }

    /// Starts to accept clients.
    func start() { loop.register(self, descriptor: listener.rawValue, interest: .read) }

    override func ready(_ events: EventLoop.Events) {
        guard let client = OwnedDescriptor(result: loop.accept(for: self)) else { return }
        _ = ringway_set_option(client.rawValue, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        ProxiedStream(relays, client: client.take()).dial(target)
    }

    override func deadlinePassed(now: UInt64) { loop.acceptAgain(self) }
}
