internal import Glibc
internal import RingwayStorage
internal import RingwaySystem

/// The idle UDP sockets for queries to nameservers. All of them are closed a second after the first became idle, so an
/// idle network holds no descriptors for them.
final class UpstreamSockets: LoopMember {
    /// The largest number of idle sockets; further ones are closed after their query.
    static let capacity = 32
    /// The time in nanoseconds after which all idle sockets are closed.
    private static let idleTimeout: UInt64 = 1_000_000_000

    private unowned let service: Service
    private var idle: [UpstreamSocket] = []

    init(_ service: Service) {
        self.service = service
    }

    var idleCount: Int { idle.count }

    /// An idle or a new socket, not bound to a port. Throws if no socket is idle and none can be opened.
    func take(family: Int32) throws(DatagramAttempt.Failure) -> UpstreamSocket {
        if let index = idle.lastIndex(where: { $0.family == family }) { return idle.remove(at: index) }
        if let socket = UpstreamSocket(family: family, service: service) { return socket }
        guard errno != EAFNOSUPPORT else { throw .unreachable }
        // Idle sockets of the other family may hold the descriptors that are missing.
        guard !idle.isEmpty else { throw .lacksDescriptors }
        closeAll()
        guard let socket = UpstreamSocket(family: family, service: service) else { throw .lacksDescriptors }
        return socket
    }

    /// Takes back a socket whose query has ended. Keeps it if fewer than `capacity` are idle and descriptors are
    /// free; otherwise closes it.
    func put(_ socket: UpstreamSocket) {
        guard idle.count < Self.capacity, !service.isStopping, service.descriptors.hasRoom, socket.disconnect() else {
            return socket.close()
        }
        idle.append(socket)
        if !isScheduled { service.loop.schedule(self, at: service.loop.now + Self.idleTimeout) }
    }

    /// Closes an idle socket that has received something, so that no query uses it.
    func discard(_ socket: UpstreamSocket) {
        idle.removeAll { $0 === socket }
        socket.close()
    }

    override func deadlinePassed(now: UInt64) { closeAll() }

    func closeAll() {
        service.loop.remove(self)
        for socket in idle { socket.close() }
        idle = []
    }
}
