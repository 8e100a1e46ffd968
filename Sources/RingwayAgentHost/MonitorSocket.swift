internal import CRingway
internal import Glibc
internal import RingwayConversation

/// The unix socket by which Firecracker and cloud-hypervisor let the host connect to a vsock port of the guest.
///
/// The host says "CONNECT PORT" and a newline, the monitor "OK" and a port of the host's. There is always one connection
/// on which the agent has not spoken yet; it decides what that is for, and the next one is made.
final class MonitorSocket {
    private let path: String
    private let port: UInt32
    unowned var loop: HostLoop?
    /// A tag that no listener has.
    private let mark: UInt64

    /// Nanoseconds until a guest that does not listen yet is tried again.
    private static var interval: UInt64 { 200_000_000 }

    init(path: String, port: UInt32) {
        self.path = path
        self.port = port
        mark = 1 << 63 | UInt64(port)
    }

    /// Connects, or waits and tries again.
    func connect() {
        guard let loop else { return }
        let descriptor = ringway_unix_open()
        let request = Array("CONNECT \(port)\n".utf8)
        guard descriptor >= 0, ringway_set_nonblocking(descriptor) == 0,
            ringway_unix_connect(descriptor, path, path.utf8.count) == 0,
            send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
        else {
            if descriptor >= 0 { close(descriptor) }
            return tryLater()
        }
        loop.watch(Answer(descriptor, monitor: self, now: loop.now))
    }

    fileprivate func tryLater() {
        guard let loop else { return }
        loop.watch(Pause(monitor: self, until: loop.now + Self.interval))
    }

    /// The agent's port has taken the connection.
    fileprivate func connected(_ descriptor: Int32) {
        guard let loop else { return }
        let conversation = FreshConversation(
            descriptor, origin: ConversationOrigin(descriptor, listener: mark), now: nil)
        conversation.isHeard = { [self] hasSpoken in
            if hasSpoken { connect() } else { tryLater() }
        }
        loop.watch(conversation)
    }

    /// A connection whose "OK" has not come.
    private final class Answer: LoopMember {
        private let monitor: MonitorSocket
        private let deadline: UInt64
        private var line: [UInt8] = []
        /// "OK " and a port.
        private static var longestLine: Int { 32 }

        init(_ descriptor: Int32, monitor: MonitorSocket, now: UInt64) {
            self.monitor = monitor
            deadline = now + 5_000_000_000
            super.init(descriptor)
        }

        override func look(at now: UInt64) {
            guard now >= deadline else { return }
            close()
            monitor.connect()
        }

        override func ready(_ event: EventQueue.Event) {
            do {
                // One by one: what follows the line belongs to the agent.
                while let octet = try Octets.receive(descriptor, 1) {
                    line += octet
                    guard octet != [UInt8(ascii: "\n")] else { break }
                    guard line.count < Self.longestLine else { throw Octets.Gone() }
                }
                guard line.last == UInt8(ascii: "\n") else { return }
                guard line.starts(with: "OK ".utf8) else { throw Octets.Gone() }
                monitor.connected(relinquish())
            } catch {
                close()
                monitor.tryLater()
            }
        }
    }

    /// A moment's rest, as a member of the loop: it has an event descriptor that nobody calls.
    private final class Pause: LoopMember {
        private let monitor: MonitorSocket
        private let end: UInt64

        init(monitor: MonitorSocket, until end: UInt64) {
            self.monitor = monitor
            self.end = end
            super.init(ringway_event_descriptor())
        }

        override func look(at now: UInt64) {
            guard now >= end else { return }
            close()
            monitor.connect()
        }
    }
}
