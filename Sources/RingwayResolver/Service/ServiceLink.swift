internal import Glibc
internal import Synchronization

/// What the resolver's thread shares with all others: commands in, counters out.
final class ServiceLink: Sendable {
    enum Command: Sendable {
        case serveDatagrams(Int32, guest: UInt32)
        case serveStream(Int32, guest: UInt32, hasIPv6: Bool)
        case setZone(BuiltinZone)
        case stop
    }

    private struct Inbox {
        var commands: [Command] = []
        var isClosed = false
    }

    /// The end of the wake pipe that the thread reads; the thread's service closes it.
    let wakeReading: Int32

    private let wakeWriting: Int32
    private let inbox = Mutex(Inbox())
    private let statistics = Mutex(Resolver.Statistics())

    init() throws(ResolverFailure) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system(operation: "pipe", errno: errno) }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        wakeReading = ends[0]
        wakeWriting = ends[1]
    }

    deinit { close(wakeWriting) }

    /// Hands over a command, and the descriptor in it. After `stop` descriptors are closed at once.
    func post(_ command: Command) {
        let isAccepted = inbox.withLock { inbox in
            guard !inbox.isClosed else { return false }
            inbox.commands.append(command)
            if case .stop = command { inbox.isClosed = true }
            return true
        }
        guard isAccepted else {
            switch command {
            case .serveDatagrams(let descriptor, _), .serveStream(let descriptor, _, _): close(descriptor)
            case .setZone, .stop: break
            }
            return
        }
        var octet: UInt8 = 0
        // A full pipe has woken the thread already.
        _ = write(wakeWriting, &octet, 1)
    }

    /// The commands since the last call, in order.
    func takeCommands() -> [Command] {
        inbox.withLock { inbox in
            defer { inbox.commands = [] }
            return inbox.commands
        }
    }

    func update(_ change: (inout Resolver.Statistics) -> Void) {
        statistics.withLock { change(&$0) }
    }

    var snapshot: Resolver.Statistics { statistics.withLock { $0 } }
}
