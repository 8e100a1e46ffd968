internal import Glibc
public import RingwaySystem

/// The gateway's DNS service: built-in names are answered, everything else is passed to nameservers and back, byte for
/// byte.
///
/// It runs on an event loop of its own, and not on its network's control loop: a guest's query must not wait while a
/// guest is attached or ports are opened there. The thread has the network namespace (and the other per-thread
/// attributes) of the thread that makes the resolver, takes no signals, and ends with `stop()` or with the last
/// reference. Data-plane shards talk to it through descriptors only and are never made to wait.
public final class Resolver: Sendable {
    private let thread: LoopThread
    /// There from the thread's first work to its last.
    private let service: LoopConfined<Service?>
    private let board = StatisticsBoard()
    private let zone: CurrentZone
    private let own: OwnNetwork

    /// Starts the service. `resolv.conf` is read on its thread, before the first query.
    ///
    /// - Throws: when a built-in name is not a domain name, or the process lacks descriptors or threads.
    public init(_ configuration: Configuration) throws(ResolverFailure) {
        let zone = CurrentZone(try BuiltinZone(configuration.names, own: configuration.own))
        self.zone = zone
        own = configuration.own
        do throws(SystemError) {
            thread = try LoopThread("ringway-names")
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

    /// Serves a shard's datagram queries, from one end of a connected `SOCK_SEQPACKET` pair.
    ///
    /// Each record from the shard is sixteen bytes, which are returned as they are (`ClientTag` says what is read of
    /// them), and then a DNS query; each record to the shard is the same sixteen bytes and then the answer. Answers come in any order. A malformed query gets
    /// none. An answer that the socket has no room for is dropped and counted. The service ends when the shard closes
    /// its end.
    ///
    /// - Parameter guest: the number of the guest whose queries they are: guests share the limits fairly.
    public func serve(datagrams descriptor: consuming OwnedDescriptor, guest: UInt32 = 0) {
        post(adopting: descriptor) { $0.serveDatagrams($1, guest: guest) }
    }

    /// Serves DNS over TCP on a connected stream socket (RFC 7766), for a client that can reach the
    /// guests' network by IPv6 or not.
    ///
    /// Queries may be pipelined and are answered in any order. After the client has shut down its side, what it asked is
    /// still answered. A malformed query closes the connection, as does idleness.
    public func serve(stream descriptor: consuming OwnedDescriptor, guest: UInt32 = 0, hasIPv6: Bool = true) {
        post(adopting: descriptor) { $0.serveStream($1, guest: guest, hasIPv6: hasIPv6) }
    }

    /// Hands a descriptor over to the service, or closes it where that has ended.
    private func post(
        adopting owned: consuming OwnedDescriptor, _ work: @escaping @Sendable (Service, Int32) -> Void
    ) {
        let descriptor = owned.take()
        let isAccepted = thread.post { [service] _ in
            if let service = service.value { work(service, descriptor) } else { close(descriptor) }
        }
        if !isAccepted { close(descriptor) }
    }

    /// Replaces the built-in names. A query that is sent after this has returned is answered by them.
    ///
    /// - Throws: when one of them is not a domain name; nothing has changed then.
    public func setNames(_ names: [BuiltinName]) throws(ResolverFailure) {
        zone.value = try BuiltinZone(names, own: own)
    }

    /// The counters now.
    public func statistics() -> Statistics { board.snapshot }

    /// Closes all descriptors and ends the thread; returns when it has ended. Queries on their way are dropped.
    /// Descriptors that are handed over later are closed at once.
    public func stop() {
        thread.post { [service] _ in
            service.value?.stop()
            service.value = nil
        }
        thread.stop()
    }
}
