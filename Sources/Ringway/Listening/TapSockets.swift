internal import CRingway
internal import Glibc
internal import RingwayModel
internal import RingwaySystem
internal import RingwayTap

/// Creates sockets in the network namespace of a TAP's interface, on a thread that enters that namespace.
///
/// This is possible if the process may enter that namespace, and if the namespace is not the process's own. The
/// interface may be moved to another namespace at any time, for example by "ip link set NAME netns PLACE". In the
/// process's own namespace no sockets are created: there the interface may lead to a machine or a bridge, and the
/// routes are the host's, not the guest's.
enum TapSockets {
    /// The most queues of a link.
    private static var mostEnds: Int { 64 }

    /// A source of sockets with one descriptor per queue; `.none` if there are more than `mostEnds` queues, or if a
    /// descriptor or the thread cannot be created.
    ///
    /// - Parameter tap: one of the device's queues; owned by the caller.
    static func source(of tap: Int32, queues: Int, plan: NetworkPlan) -> GuestSockets {
        guard queues <= mostEnds else { return .none }
        let queue = fcntl(tap, F_DUPFD_CLOEXEC, 0)
        guard queue >= 0 else { return .none }
        var ours: [Int32] = []
        var theirs: [Int32] = []
        for _ in 0..<queues {
            var ends: [Int32] = [-1, -1]
            guard ringway_message_pair(&ends) == 0 else {
                for end in ours + theirs + [queue] { close(end) }
                return .none
            }
            theirs.append(ends[0])
            ours.append(ends[1])
        }
        let ends = ours
        // The thread ends when the guest's shards have closed their ends of the socket pairs.
        do throws(SystemError) {
            _ = try SystemThread("ringway-sockets", stackBytes: 256 << 10) {
                var visitor = NamespaceVisitor(tap: queue, plan: plan)
                visitor.serve(ends)
                close(queue)
            }
        } catch {
            for end in ours + theirs + [queue] { close(end) }
            return .none
        }
        return GuestSockets(descriptors: theirs)
    }
}

/// The state of the thread: its current namespace, and the source of the sockets that it creates there.
private struct NamespaceVisitor {
    private struct Identity: Equatable {
        var device: UInt64 = 0
        var number: UInt64 = 0

        init(of descriptor: Int32) {
            _ = ringway_entry_identity(descriptor, "", &device, &number)
        }
    }

    private let tap: Int32
    private let plan: NetworkPlan
    private let home: Identity
    /// The namespace of `source`. While there is no source, it is `home`, for which no source is ever created.
    private var place: Identity
    private var source: SocketSource?

    init(tap: Int32, plan: NetworkPlan) {
        self.tap = tap
        self.plan = plan
        let own = ringway_open("/proc/thread-self/ns/net", O_RDONLY, 0)
        home = Identity(of: own)
        place = home
        if own >= 0 { close(own) }
    }

    /// Answers the requests for sockets on `ends`, until the other end of each is closed.
    mutating func serve(_ ends: [Int32]) {
        var entries = ends.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        while entries.contains(where: { $0.fd >= 0 }) {
            guard poll(&entries, nfds_t(entries.count), -1) > 0 else { continue }
            for index in entries.indices where entries[index].revents != 0 {
                let isAnswered = follow()?.answer(entries[index].fd) ?? SocketSource.decline(entries[index].fd)
                if !isAnswered {
                    close(entries[index].fd)
                    entries[index].fd = -1
                }
            }
        }
        source?.end()
    }

    /// Enters the interface's current namespace, unless the thread is there. Returns the source of sockets in it; `nil`
    /// if that namespace is the process's own, or inaccessible.
    private mutating func follow() -> SocketSource? {
        let namespace = ringway_tap_namespace(tap)
        guard namespace >= 0 else { return nil }
        defer { close(namespace) }
        let wanted = Identity(of: namespace)
        guard wanted != home else { return nil }
        if wanted == place { return source }
        source?.end()
        source = nil
        // If a step below fails, this value makes the next request try again, even if the interface is back in the
        // former namespace by then.
        place = home
        var name = [CChar](repeating: 0, count: TapDevice.maximumNameLength + 1)
        var flags: Int32 = 0
        guard ringway_join_namespace(namespace, ringway_kind_network()) == 0,
            ringway_tap_describe(tap, &name, &flags) == 0
        else { return nil }
        place = wanted
        source = SocketSource(
            HostAddressRoute(
                ipv4: plan.hostIPv4, ipv6: plan.hostIPv6, interface: if_nametoindex(name), ownsNamespace: false))
        return source
    }
}
