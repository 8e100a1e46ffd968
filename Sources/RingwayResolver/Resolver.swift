internal import Glibc
public import RingwaySystem

/// The gateway's DNS service. It answers queries for built-in names and for the network's own zones, and forwards all
/// others to nameservers. It changes only the identifier of a nameserver's answer, unless the answer must be truncated.
///
/// The service has a thread with an event loop of its own, because a query must not wait while the network's control
/// loop attaches a guest or opens ports. The thread inherits the network namespace (and other per-thread attributes)
/// of the resolver's creator, blocks all signals, and ends with `stop()` or with the last reference. Shards
/// communicate with the service through descriptors only and never block.
public final class Resolver: Sendable {
    private let thread: LoopThread
    /// `nil` before the thread has started, and after `stop()`.
    private let service: LoopConfined<Service?>
    private let board = StatisticsBoard()
    private let zone: CurrentZone
    private let own: OwnNetwork

    /// Starts the service. `resolv.conf` is read on its thread, before the first query.
    ///
    /// - Throws: if a built-in name is invalid, or the process lacks descriptors or threads.
    public init(_ configuration: Configuration) throws(ResolverFailure) {
        let zone = CurrentZone(
            try BuiltinZone(configuration.names, own: configuration.own), forwards: configuration.forwards)
        self.zone = zone
        own = configuration.own
        do throws(SystemError) {
            thread = try LoopThread("ringway-names", kind: .names)
            service = LoopConfined(nil, to: thread)
            try thread.start()
        } catch {
            throw .system(error)
        }
        thread.post { [service, board] loop in
            service.value = Service(on: loop, configuration, zone: zone, board: board)
        }
    }

    deinit { stop() }

    /// Serves a shard's queries, from one end of a connected `SOCK_SEQPACKET` pair.
    ///
    /// Each record from the shard is a tag of sixteen bytes, which is returned unchanged (see `ClientTag`), and then a
    /// DNS query; each record to the shard is the same tag and then the answer. Answers may be in any order. A
    /// malformed query gets no answer. An answer for which the socket has no room is dropped and counted. The socket
    /// is closed when the shard closes its end.
    ///
    /// - Parameter guest: the number of the guest that sends the queries; guests share the limits fairly.
    public func serve(datagrams descriptor: consuming OwnedDescriptor, guest: UInt32 = 0) {
        post(adopting: descriptor) { $0.serveDatagrams($1, guest: guest) }
    }

    /// Serves DNS over TCP on a connected stream socket (RFC 7766). `hasIPv6` tells whether the client can reach the
    /// guests' network by IPv6.
    ///
    /// Queries may be pipelined and are answered in any order. After the client has shut down its sending direction,
    /// pending queries are still answered. A malformed query closes the connection, as does the idle timeout.
    public func serve(stream descriptor: consuming OwnedDescriptor, guest: UInt32 = 0, hasIPv6: Bool = true) {
        post(adopting: descriptor) { $0.serveStream($1, guest: guest, hasIPv6: hasIPv6) }
    }

    /// Passes a descriptor to the service, or closes it if the service has ended.
    private func post(
        adopting owned: consuming OwnedDescriptor, _ work: @escaping @Sendable (Service, Int32) -> Void
    ) {
        let descriptor = owned.take()
        let isAccepted = thread.post { [service] _ in
            if let service = service.value { work(service, descriptor) } else { close(descriptor) }
        }
        if !isAccepted { close(descriptor) }
    }

    /// Replaces the built-in names. Later queries are answered from the new ones.
    ///
    /// - Throws: if a name is invalid; the previous names then remain.
    public func setNames(_ names: [BuiltinName]) throws(ResolverFailure) {
        zone.value = try BuiltinZone(names, own: own)
    }

    /// Whether later queries for names that are not built in are forwarded to nameservers; if not, they get REFUSED.
    public func setForwarding(_ forwards: Bool) { zone.forwards = forwards }

    /// The counters now.
    public func statistics() -> Statistics { board.snapshot }

    /// Starts to close the watch on `resolv.conf`, and returns without waiting for it.
    ///
    /// The kernel takes about 15 ms to close an inotify instance, because it waits for readers of the removed watches
    /// (SRCU). Called before other work at the end of a network, this makes `stop` return sooner.
    public func stopFollowing() { thread.post { [service] _ in service.value?.stopFollowing() } }

    /// Closes all descriptors and ends the thread; returns when it has ended. Queries in progress are dropped.
    /// Descriptors passed later are closed immediately.
    public func stop() {
        thread.post { [service] _ in
            service.value?.stop()
            service.value = nil
        }
        thread.stop()
    }
}
