internal import CRingway
internal import Glibc
internal import RingwayAgentProtocol
internal import RingwayConversation
internal import RingwayWire

/// The published port inside the guest: programs there reach the container by it too, as by Docker's own proxy.
///
/// It is there where the engine has bound the port, or nobody else has. For datagrams the packet filter's rules are all
/// there is.
final class LocalProxy {
    private static var passedDescriptor: Int32 { 4 }

    /// Readable when there is a client.
    let listener: Int32
    private let target: DialTarget

    /// Takes or makes the listener; `nil` where there is none to be had.
    init?(_ options: ProxyOptions) {
        guard options.transport == .tcp else { return nil }
        target = DialTarget(.tcp(options.container))
        if options.hasListener, ringway_is_open(Self.passedDescriptor) {
            listener = Self.passedDescriptor
            _ = ringway_close_on_exec(listener)
            // The engine has bound it; whether it listens yet depends on its version.
            guard Glibc.listen(listener, 1_024) == 0 else { return nil }
        } else {
            let address = options.host
            let made = NamespaceSocket.open(
                "", family: address.address.isIPv4 ? AF_INET : AF_INET6, kind: Int32(SOCK_STREAM.rawValue))
            guard case .success(let descriptor) = made else { return nil }
            _ = ringway_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            if !address.address.isIPv4 { _ = ringway_set_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1) }
            var name = sockaddr_storage()
            let length = ringway_socket_address(
                &name, address.address.isIPv4, address.address.high, address.address.low, address.port)
            let result = withUnsafePointer(to: &name) {
                Glibc.bind(descriptor, UnsafeRawPointer($0).assumingMemoryBound(to: sockaddr.self), length)
            }
            guard address.port != 0, result == 0, Glibc.listen(descriptor, 1_024) == 0 else {
                close(descriptor)
                return nil
            }
            listener = descriptor
        }
        _ = ringway_set_nonblocking(listener)
    }

    /// Serves clients on a thread of its own, for as long as the process lives.
    func start() {
        let (listener, target) = (listener, target)
        // Nobody waits for its end: it ends with the process.
        _ = try? AgentThread("local-proxy") {
            guard let loop = LocalProxyLoop(listener: listener, target: target) else { return }
            loop.run()
        }
    }
}
