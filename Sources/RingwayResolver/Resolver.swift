internal import Glibc
internal import Synchronization

/// The gateway's DNS service: built-in names are answered, everything else is passed to nameservers and back, octet for
/// octet.
///
/// It runs on one thread of its own, which belongs to the network namespace (and keeps the other per-thread attributes)
/// of the thread that makes the resolver, takes no signals, and ends with `stop()` or with the last reference.
/// Data-plane shards talk to it through descriptors only and are never made to wait.
public final class Resolver: Sendable {
    private let link: ServiceLink
    private let thread: Mutex<pthread_t?>
    private let own: OwnNetwork

    /// Starts the service. `resolv.conf` is read on its thread, before the first query.
    ///
    /// - Throws: when a built-in name is not a domain name, or the process lacks descriptors or threads.
    public init(_ configuration: Configuration) throws(ResolverFailure) {
        let zone = try BuiltinZone(configuration.names, own: configuration.own)
        own = configuration.own
        link = try ServiceLink()
        thread = Mutex(nil)
        let started = try Self.startThread(Launch(configuration: configuration, zone: zone, link: link))
        thread.withLock { $0 = started }
    }

    deinit { stop() }

    /// Serves a shard's datagram queries. Takes over one end of a connected `SOCK_SEQPACKET` pair.
    ///
    /// Each record from the shard is sixteen octets, which are returned as they are (`ClientTag` says what is read of
    /// them), and then a DNS query; each record
    /// to the shard is the same sixteen octets and then the answer. Answers come in any order. A malformed query gets
    /// none. An answer that the socket has no room for is dropped and counted. The service ends when the shard closes
    /// its end.
    ///
    /// - Parameter guest: the number of the guest whose queries they are: guests share the limits fairly.
    public func serve(datagrams descriptor: Int32, guest: UInt32 = 0) {
        link.post(.serveDatagrams(descriptor, guest: guest))
    }

    /// Serves DNS over TCP on a connected stream socket, which it takes over (RFC 7766), for a client that can reach the
    /// guests' network by IPv6 or not.
    ///
    /// Queries may be pipelined and are answered in any order. After the client has shut down its side, what it asked is
    /// still answered. A malformed query closes the connection, as does idleness.
    public func serve(stream descriptor: Int32, guest: UInt32 = 0, hasIPv6: Bool = true) {
        link.post(.serveStream(descriptor, guest: guest, hasIPv6: hasIPv6))
    }

    /// Replaces the built-in names. Queries that come from now on are answered by them.
    ///
    /// - Throws: when one of them is not a domain name; nothing has changed then.
    public func setNames(_ names: [BuiltinName]) throws(ResolverFailure) {
        link.post(.setZone(try BuiltinZone(names, own: own)))
    }

    /// The counters now.
    public func statistics() -> Statistics {
        link.snapshot
    }

    /// Closes all descriptors and ends the thread; returns when it has ended. Queries on their way are dropped.
    /// Descriptors that are handed over later are closed at once.
    public func stop() {
        link.post(.stop)
        thread.withLock { thread in
            guard let ending = thread else { return }
            thread = nil
            pthread_join(ending, nil)
        }
    }

    /// What the new thread is given.
    private final class Launch: Sendable {
        let configuration: Configuration
        let zone: BuiltinZone
        let link: ServiceLink

        init(configuration: Configuration, zone: BuiltinZone, link: ServiceLink) {
            self.configuration = configuration
            self.zone = zone
            self.link = link
        }

        func run() {
            Service(configuration, zone: zone, link: link).run()
        }
    }

    private static func startThread(_ launch: Launch) throws(ResolverFailure) -> pthread_t {
        // The new thread inherits the mask: signals stay with the threads that expect them.
        var all = sigset_t()
        var previous = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &previous)
        defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }
        let context = Unmanaged.passRetained(launch)
        var thread = pthread_t()
        let error = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Launch>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        guard error == 0 else {
            context.release()
            close(launch.link.wakeReading)
            throw .system(operation: "pthread_create", errno: error)
        }
        return thread
    }
}
